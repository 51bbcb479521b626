import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { VList, type VListHandle } from 'virtua';
import css from './LogPanel.module.css';
import { asTextInSteps, useCopying } from './copying';
import { LogEmpty, LogSkeleton } from './LogEmpty';
import { LogFoot } from './LogFoot';
import { LogRow } from './LogRow';
import { LogToolbar } from './LogToolbar';
import { leastOf, type LogView } from './logView';
import { cursorBefore } from './runLog';
import type { Zone } from './time';
import { compare, indexIn, keyOf, LEVELS, type LogLine, type Outline, type Place, type RunLogSource } from './types';
import { useAnnouncement } from './useAnnouncement';
import { useRunLog } from './useRunLog';
import { useSearch } from './useSearch';

const NEAR = 600;
const AT_END = 50;
const ROW = 20;
/** For how long after a wheel, a key or a touch scrolling is the reader's. */
const OWN_SCROLLING = 600;

export interface LogPanelProps {
  readonly source: RunLogSource;
  readonly outline: Outline | null;
  /** When the run began: what offsets count from. */
  readonly since: string;
  readonly isPending: boolean;
  readonly isFinal: boolean;
  readonly isFailed: boolean;
  readonly zone: Zone;
  readonly view: LogView;
  readonly onView: (change: Partial<LogView>) => void;
  /** Addresses of the whole log as text and as JSON lines. */
  readonly downloads: { readonly text: string; readonly json: string };
  readonly linkTo: (place: Place) => string;
  readonly describeError: (error: unknown) => string;
  /** Go there whenever this changes. */
  readonly goal: Goal | null;
}

export type Goal = { readonly place: Place } | { readonly firstError: true };

/** The log of one run: a virtual list that keeps up with what comes, searched, filtered and linked to. */
export function LogPanel(props: LogPanelProps): ReactNode {
  const { source, outline, view, onView, zone, isFinal } = props;
  const level = leastOf(view.levels);
  const state = useRunLog(source, level, isFinal);
  const { log } = state;
  const search = useSearch(source, view.query, level, isFinal);
  const list = useRef<VListHandle>(null);
  const searchBox = useRef<HTMLInputElement>(null);
  const [isFollowing, setIsFollowing] = useState(true);
  const [pausedAt, setPausedAt] = useState(0);
  const [target, setTarget] = useState<Place | null>(null);
  const [here, setHere] = useState(-1);
  const ownUntil = useRef(0);
  const body = useRef<HTMLDivElement>(null);
  const wasFocused = useRef(false);

  const isFiltered = view.isFiltered && view.query !== '';
  const all = isFiltered ? search.matches : state.lines;
  const shown = useShown(all, view, isFiltered ? search.matches.length : state.version);
  const found = useMemo(() => new Set(search.matches.map(keyOf)), [search.matches]);
  const hereKey = search.matches[here] ? keyOf(search.matches[here]) : null;
  const announcement = useAnnouncement(state.arrived, state.lines);

  const pause = useCallback(() => {
    setIsFollowing((was) => {
      if (was) setPausedAt(log.snapshot().arrived);
      return false;
    });
  }, [log]);

  const copying = useCopying(body, shown, zone, pause);

  /** Show another stretch in a list of its own; whoever was in the old one is in the new one. */
  const reopen = useCallback(async (open: () => Promise<unknown>): Promise<void> => {
    wasFocused.current = document.activeElement?.getAttribute('role') === 'log' && (body.current?.contains(document.activeElement) ?? false);
    await open();
  }, []);
  useLayoutEffect(() => {
    if (wasFocused.current) body.current?.querySelector<HTMLElement>('[role=log]')?.focus({ preventScroll: true });
    wasFocused.current = false;
  }, [state.opened, isFiltered]);

  const goTo = useCallback(
    (place: Place) => {
      pause();
      setTarget(place);
    },
    [pause],
  );

  // Opens once for each log: at the line that was linked to, at the first error of a run that failed, else at the end.
  useEffect(() => {
    setIsFollowing(true);
    setTarget(null);
    if (view.line !== null) goTo(view.line);
    else if (isFinal && props.isFailed) void openError();
    else void log.openEnd();

    async function openError(): Promise<void> {
      const error = await log.openFirstError();
      if (error === null) return;
      goTo(error);
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only when there is another log
  }, [log]);

  const { goal } = props;
  useEffect(() => {
    if (goal === null) return;
    if ('place' in goal) goTo(goal.place);
    else void reopen(() => log.openFirstError().then((error) => error && goTo(error)));
  }, [goal, goTo, log, reopen]);

  // Reads what the target stands in, as soon as it is known where.
  const isLoading = state.phase === 'loading';
  const openedFor = useRef<Place | null>(null);
  useEffect(() => {
    if (target === null || isFiltered || (state.phase === 'ready' && log.holds(target))) return;
    const last = outline?.slices.at(-1)?.last;
    const isKnown = outline !== null && (outline.isLast || (last !== undefined && compare(last, target) >= 0));
    if (!isKnown || openedFor.current === target) return;
    openedFor.current = target;
    const { slices } = outline;
    void reopen(() => log.openAt(cursorBefore(slices, target)));
  }, [target, outline, isFiltered, log, reopen, state.phase, state.version]);

  useLayoutEffect(() => {
    if (shown.length === 0 || list.current === null) return;
    if (target !== null) {
      const index = indexIn(shown, target);
      const isThere = isFiltered || (state.phase === 'ready' && log.holds(target));
      if (!isThere) return;
      list.current.scrollToIndex(Math.min(index, shown.length - 1), { align: 'center' });
      setTarget(null);
    } else if (isFollowing) {
      list.current.scrollToIndex(shown.length - 1, { align: 'end' });
    }
  }, [shown, state.version, isFollowing, target, isFiltered, log, state.phase]);

  const onScroll = (at: number): void => {
    const handle = list.current;
    if (handle === null || isFiltered) return;
    const distance = handle.scrollSize - handle.viewportSize - at;
    const isOwn = performance.now() < ownUntil.current;
    if (distance > AT_END && isOwn && isFollowing) pause();
    else if (distance <= AT_END && isOwn && !isFollowing && state.isAtEnd) setIsFollowing(true);
    if (at < NEAR && !state.isFromStart && target === null) void log.readOlder();
    if (distance < NEAR && !state.isAtEnd && target === null) void log.readNewer();
  };

  // What the levels leave may not fill the panel: then nobody can scroll for more.
  useEffect(() => {
    const handle = list.current;
    if (handle === null || state.phase !== 'ready' || isFiltered || state.isReadingOlder) return;
    if (handle.scrollSize <= handle.viewportSize + NEAR && !state.isFromStart && target === null) void log.readOlder();
  }, [state.version, state.phase, state.isReadingOlder, state.isFromStart, isFiltered, log, target]);

  const toEnd = useCallback(() => {
    setTarget(null);
    setIsFollowing(true);
    if (!log.snapshot().isAtEnd) void reopen(() => log.openEnd());
  }, [log, reopen]);

  const toStart = useCallback(() => {
    pause();
    if (log.snapshot().isFromStart) list.current?.scrollToIndex(0);
    else void reopen(() => log.openAt(undefined));
  }, [log, pause, reopen]);

  const toMatch = useCallback(
    (step: number) => {
      const { matches } = search;
      if (matches.length === 0) return;
      const next = here < 0 && step < 0 ? matches.length - 1 : (here + step + matches.length) % matches.length;
      setHere(next);
      goTo(matches[next]!);
    },
    [search, here, goTo],
  );
  useEffect(() => setHere(-1), [view.query]);

  const own = (): void => {
    ownUntil.current = performance.now() + OWN_SCROLLING;
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    own();
    copying.onKeyDown(event);
    if (event.key === 'End') {
      event.preventDefault();
      toEnd();
    } else if (event.key === 'Home') {
      event.preventDefault();
      toStart();
    }
  };

  const onLink = useCallback((line: LogLine) => onView({ line }), [onView]);
  const isManyRecordings = useMemo(
    () => (outline?.slices ?? []).some((slice) => slice.recordings.some((one) => one !== outline?.slices[0]?.recordings[0])),
    [outline],
  );
  const waiting = state.arrived - pausedAt;

  return (
    <section className={css.panel} aria-label="Log">
      <LogToolbar
        view={view}
        onView={onView}
        outline={outline}
        search={search}
        here={here}
        onMatch={toMatch}
        onStart={toStart}
        onEnd={toEnd}
        downloads={props.downloads}
        onCopy={async () => navigator.clipboard.writeText(await asTextInSteps(shown, zone))}
        searchBox={searchBox}
      />
      {state.phase === 'ready' && state.error !== null && (
        <div className={css.strip} role="status">
          New lines cannot be read: {props.describeError(state.error)} Those below stay; reading is tried again.
        </div>
      )}
      {search.error !== null && (
        <div className={css.strip} role="status">
          The search failed: {props.describeError(search.error)}{' '}
          <button type="button" className={css.button} onClick={search.retry}>
            Retry
          </button>
        </div>
      )}
      <div className={css.body} ref={body} onCopy={copying.onCopy}>
        {isLoading && state.lines.length === 0 ? (
          <LogSkeleton />
        ) : state.phase === 'failed' ? (
          <div className={css.empty} role="alert">
            <p>The log could not be read: {props.describeError(state.error)}</p>
            <button type="button" className={css.button} onClick={() => void log.openEnd()}>
              Retry
            </button>
          </div>
        ) : shown.length === 0 ? (
          <LogEmpty {...props} loaded={state.lines.length} isSearching={isFiltered && !search.isDone} isFiltered={isFiltered} />
        ) : (
          <VList
            key={isFiltered ? 'matches' : state.opened}
            ref={list}
            className={css.list}
            data={shown}
            itemSize={ROW}
            bufferSize={400}
            keepMounted={copying.kept}
            shift={state.isPrepended && !isFiltered}
            onScroll={onScroll}
            onWheel={own}
            onTouchMove={own}
            onPointerDown={own}
            onPointerMove={(event) => event.buttons > 0 && own()}
            onKeyDown={onKeyDown}
            role="log"
            aria-live="off"
            aria-label="Log lines"
            tabIndex={0}
          >
            {(line: LogLine, index: number) => {
              const key = keyOf(line);
              return (
                <LogRow
                  key={key}
                  line={line}
                  zone={zone}
                  times={view.times}
                  since={props.since}
                  isWrapped={view.isWrapped}
                  isFirstOfRecording={isManyRecordings && shown[index - 1]?.recording !== line.recording}
                  match={key === hereKey ? 'here' : found.has(key) && !isFiltered ? 'found' : undefined}
                  isLinked={view.line !== null && key === keyOf(view.line)}
                  query={view.query}
                  link={props.linkTo(line)}
                  onLink={onLink}
                />
              );
            }}
          </VList>
        )}
        {!isFollowing && shown.length > 0 && !isFiltered && (!isFinal || waiting > 0) && (
          <button type="button" className={css.pill} onClick={toEnd}>
            Paused{waiting > 0 ? ` · ${waiting.toLocaleString('en')} new` : ''} · Jump to end
          </button>
        )}
      </div>
      <LogFoot outline={outline} view={view} state={state} search={search} isFiltered={isFiltered} isFinal={isFinal} shown={shown.length} />
      <div className={css.hidden} role="status" aria-live="polite">
        {announcement}
      </div>
    </section>
  );
}

/** Those of the lines whose level was chosen. Where all from the least on are, the lines themselves, which are many. */
function useShown(lines: readonly LogLine[], view: LogView, version: number): readonly LogLine[] {
  return useMemo(() => {
    if (view.levels.length === 0) return [];
    const isEvery = LEVELS.slice(-view.levels.length)[0] === leastOf(view.levels);
    return isEvery ? lines : lines.filter((line) => view.levels.includes(line.level));
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the lines are changed in place
  }, [lines, view.levels, version]);
}
