import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { RunLog, type RunLogView } from './runLog';
import type { Level, Outline, RunLogSource } from './types';

const READ_EVERY = 5_000;
const HEAL_EVERY = 15_000;
/** For how long a run that has ended is still read: recordings of other processes may go on. */
const AFTER_THE_END = 35_000;

export interface RunLogState extends RunLogView {
  readonly log: RunLog;
}

/**
 * The lines of one run, kept up to date while it lives.
 *
 * @param isFinal Whether the run has ended: it is then read for a little longer.
 */
export function useRunLog(source: RunLogSource, level: Level, isFinal: boolean): RunLogState {
  const log = useMemo(() => new RunLog(source, level), [source, level]);
  useEffect(() => () => log.close(), [log]);
  const [isPushed, setIsPushed] = useState(false);
  useEffect(() => {
    setIsPushed(false);
    return source.listen?.({
      onMessage: (message) => log.receive(message),
      onGap: () => void log.catchUp(),
      onLive: setIsPushed,
    });
  }, [log, source]);
  useRepeatedly(() => void log.catchUp(), isPushed ? HEAL_EVERY : READ_EVERY, isFinal);
  const view = useSyncExternalStore(log.subscribe, log.snapshot);
  return { ...view, log };
}

/** What lines there are, slice by slice; null until the first are known. */
export function useOutline(source: RunLogSource, isFinal: boolean): Outline | null {
  const reader = useMemo(() => new OutlineReader(source), [source]);
  useEffect(() => {
    void reader.read();
    return () => reader.close();
  }, [reader]);
  useRepeatedly(() => void reader.read(), READ_EVERY, isFinal);
  return useSyncExternalStore(reader.subscribe, reader.snapshot);
}

class OutlineReader {
  private outline: Outline | null = null;
  private isReading = false;
  private readonly abort = new AbortController();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly source: RunLogSource) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): Outline | null => this.outline;

  async read(): Promise<void> {
    if (this.isReading) return;
    this.isReading = true;
    try {
      do {
        const more = await this.source.outline(this.outline?.after, this.abort.signal);
        if (this.abort.signal.aborted) return;
        this.outline = {
          ...more,
          slices: [...(this.outline?.slices ?? []), ...more.slices],
          ended: { ...this.outline?.ended, ...more.ended },
        };
        for (const listener of this.listeners) listener();
      } while (!this.outline.isLast);
    } catch {
      // The log beside it says what is wrong; the next reading goes on from here.
    } finally {
      this.isReading = false;
    }
  }

  close(): void {
    this.abort.abort();
  }
}

/** Call while the page is seen, and at once when it is seen again; some time after the end no more. */
function useRepeatedly(call: () => void, every: number, isFinal: boolean): void {
  const latest = useRef(call);
  useEffect(() => {
    latest.current = call;
  });
  useEffect(() => {
    const began = Date.now();
    const isOver = (): boolean => isFinal && Date.now() - began > AFTER_THE_END;
    const tick = (): void => {
      if (!document.hidden && !isOver()) latest.current();
    };
    const timer = setInterval(tick, every);
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }, [every, isFinal]);
}
