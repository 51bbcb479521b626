import { useCallback, useEffect, useMemo, useState } from 'react';
import type { Level, LogLine, RunLogSource } from './types';

const TYPED_AFTER = 250;
const AGAIN_AFTER = 5_000;
const MOST = 5_000;

export interface Search {
  readonly matches: readonly LogLine[];
  /** Every line was searched. */
  readonly isDone: boolean;
  /** There are more matches than are shown. */
  readonly isCut: boolean;
  readonly error: unknown;
  /** Search on after it failed. */
  readonly retry: () => void;
}

type Found = Omit<Search, 'retry'>;

const NOTHING: Found = { matches: [], isDone: true, isCut: false, error: null };

/** Search all lines of a run, also those that were not read, and go on with those that come. */
export function useSearch(source: RunLogSource, text: string, level: Level, isFinal: boolean): Search {
  const [search, setSearch] = useState<Found>(NOTHING);
  const [tries, setTries] = useState(0);
  const retry = useCallback(() => setTries((before) => before + 1), []);
  useEffect(() => {
    setSearch(text === '' ? NOTHING : { ...NOTHING, isDone: false });
    if (text === '') return;
    const abort = new AbortController();
    let after: string | undefined;
    let matches: readonly LogLine[] = [];
    let timer: ReturnType<typeof setTimeout>;
    const read = async (): Promise<void> => {
      try {
        for (let isLast = false; !isLast; ) {
          const page = await source.find({ text, level, ...(after === undefined ? {} : { after }) }, abort.signal);
          if (abort.signal.aborted) return;
          after = page.after;
          isLast = page.isLast;
          matches = page.items.length === 0 ? matches : [...matches, ...page.items];
          const isCut = matches.length >= MOST;
          setSearch({ matches, isDone: isLast || isCut, isCut, error: null });
          if (isCut) return;
        }
      } catch (error) {
        if (abort.signal.aborted) return;
        setSearch({ matches, isDone: true, isCut: false, error });
      }
      if (!isFinal) timer = setTimeout(() => void read(), AGAIN_AFTER);
    };
    timer = setTimeout(() => void read(), TYPED_AFTER);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [source, text, level, isFinal, tries]);
  return useMemo(() => ({ ...search, retry }), [search, retry]);
}
