import { Lines } from './lines';
import { type Level, type LogLine, type LogMessage, type Place, rank, type RunLogSource, type Slice } from './types';

const PAGE = 500;
const OPENED_WITH = 1_000;
const MOST_HELD = 1_000;
/** At most once a frame, in a page that is hidden less often. */
const SHOWN_EVERY = 16;
const SHOWN_EVERY_HIDDEN = 250;

export interface RunLogView {
  /** Mutable, in place: a new view is told by `version`. */
  readonly lines: readonly LogLine[];
  readonly version: number;
  readonly phase: 'loading' | 'ready' | 'failed';
  readonly error: unknown;
  /** Nothing stands before the first line. */
  readonly isFromStart: boolean;
  /** Nothing stands behind the last line. */
  readonly isAtEnd: boolean;
  /** More may come. */
  readonly isLive: boolean;
  /** Lines were put before those that were there: what is shown stays where it is. */
  readonly isPrepended: boolean;
  readonly isReadingOlder: boolean;
  readonly unreadable: number;
  /** Lines that came at the end since the log was opened. */
  readonly arrived: number;
  /** Counts how often another stretch was opened. */
  readonly opened: number;
}

/**
 * The lines of one run as they come: a stretch around where the reader looks, continued at both ends.
 *
 * Messages are taken when nothing is missing before them, and held while a read is under way; everything else is read from
 * the cursor. So no line is lost or shown twice, whatever drops.
 */
export class RunLog {
  private lines = new Lines();
  private before: string | null = null;
  private after: string | undefined;
  private isAtEnd = false;
  private isLive = true;
  private phase: RunLogView['phase'] = 'loading';
  private error: unknown = null;
  private isPrepended = false;
  private isReadingOlder = false;
  private unreadable = 0;
  private arrived = 0;
  private version = 0;
  private opened = 0;
  private held: LogMessage[] | null = null;
  private catching: Promise<void> | null = null;
  private isCatchingAgain = false;
  private abort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private shownAt = -Infinity;
  private readonly listeners = new Set<() => void>();
  private view: RunLogView;

  constructor(
    private readonly source: RunLogSource,
    private readonly level: Level,
  ) {
    this.view = this.take();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): RunLogView => this.view;

  /** Show the last lines. */
  async openEnd(): Promise<void> {
    await this.open(async (signal) => {
      const newest = await this.source.read({ fromEnd: true, limit: PAGE, level: this.level }, signal);
      const older =
        newest.before === null
          ? null
          : await this.source.read({ before: newest.before, limit: OPENED_WITH - PAGE, level: this.level }, signal);
      this.lines.addNewer(newest.items, newest.reached);
      if (older !== null) this.lines.addOlder(older.items);
      this.before = older === null ? null : older.before;
      this.after = newest.after;
      this.isAtEnd = newest.isLast;
      this.isLive = newest.isLive;
      this.unreadable = newest.unreadable + (older?.unreadable ?? 0);
    });
  }

  /** Show the lines of a slice and what follows. `after` is the cursor behind the slice before it. */
  async openAt(after: string | undefined): Promise<void> {
    await this.open(async (signal) => {
      const page = await this.source.read(
        { limit: PAGE, level: this.level, ...(after === undefined ? {} : { after }) },
        signal,
      );
      this.lines.addNewer(page.items, page.reached);
      this.before = after === undefined ? null : page.before;
      this.after = page.after;
      this.isAtEnd = page.isLast;
      this.isLive = page.isLive;
      this.unreadable = page.unreadable;
    });
  }

  /** Show the first error, with what stands around it, and return it; the last lines if there is none. */
  async openFirstError(): Promise<LogLine | null> {
    let error: LogLine | null = null;
    await this.open(async (signal) => {
      let found = await this.source.read({ limit: 1, level: 'error' }, signal);
      while (found.items.length === 0 && !found.isLast) {
        found = await this.source.read({ limit: 1, level: 'error', after: found.after }, signal);
      }
      error = found.items[0] ?? null;
      const behind = await this.source.read({ limit: PAGE, level: this.level, after: found.after }, signal);
      this.lines.addNewer(behind.items, behind.reached);
      this.after = behind.after;
      this.isAtEnd = behind.isLast;
      this.isLive = behind.isLive;
      this.unreadable = behind.unreadable;
      this.before = behind.before;
      if (behind.before !== null) {
        const before = await this.source.read({ limit: PAGE, level: this.level, before: behind.before }, signal);
        this.lines.addOlder(before.items);
        this.before = before.before;
        this.unreadable += before.unreadable;
      }
    });
    return error;
  }

  /** Whether a line of that place would be among those that were read. */
  holds(place: Place): boolean {
    const { all } = this.lines;
    const first = all[0];
    const last = all.at(-1);
    if (first === undefined || last === undefined) return false;
    const index = this.lines.indexOf(place);
    const isBehindFirst = index > 0 || this.before === null || all[0]!.number === place.number;
    return isBehindFirst && (index < all.length || this.isAtEnd);
  }

  indexOf(place: Place): number {
    return this.lines.indexOf(place);
  }

  async readOlder(): Promise<void> {
    if (this.before === null || this.isReadingOlder || this.phase !== 'ready') return;
    this.isReadingOlder = true;
    this.show();
    const { signal } = this.abort;
    try {
      const page = await this.source.read({ before: this.before, limit: PAGE, level: this.level }, signal);
      if (this.timer !== undefined) {
        // Lines at both ends in one view would move what is shown.
        this.flush();
        await new Promise((resolve) => setTimeout(resolve));
      }
      if (signal.aborted) return;
      this.lines.addOlder(page.items);
      this.before = page.before;
      this.unreadable += page.unreadable;
      this.isReadingOlder = false;
      this.isPrepended = true;
      this.flush();
    } catch (error) {
      if (signal.aborted) return;
      this.isReadingOlder = false;
      this.error = error;
      this.show();
    }
  }

  /** Read one page behind the stretch, where it does not reach the end. */
  async readNewer(): Promise<void> {
    if (!this.isAtEnd) await this.catchUp(1);
  }

  /** Read what is behind the stretch, up to the end; at most so many pages. */
  async catchUp(pages = Infinity): Promise<void> {
    if (this.phase === 'loading' || (this.phase === 'ready' && pages === Infinity && !this.isAtEnd)) return;
    if (this.phase === 'failed' && this.after === undefined) return this.openEnd();
    if (this.catching !== null) {
      this.isCatchingAgain = true;
      return this.catching;
    }
    this.catching = this.readOn(pages);
    try {
      await this.catching;
    } finally {
      this.catching = null;
    }
  }

  receive(message: LogMessage): void {
    if (this.held !== null) {
      if (this.held.length < MOST_HELD) this.held.push(message);
      else this.isCatchingAgain = true;
      return;
    }
    if (!this.isAtEnd || this.phase !== 'ready') return;
    const shown = message.lines?.filter((line) => rank(line.level) >= rank(this.level));
    const before = this.lines.all.length;
    const received = this.lines.receive(shown === undefined ? message : { ...message, lines: shown });
    if (received === 'gap') void this.catchUp();
    else if (received === 'added') {
      this.arrived += this.lines.all.length - before;
      this.show();
    }
  }

  close(): void {
    this.abort.abort();
    clearTimeout(this.timer);
    this.listeners.clear();
  }

  private async open(read: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    const previous = this.lines;
    this.lines = new Lines();
    this.phase = 'loading';
    this.isReadingOlder = false;
    this.held = [];
    try {
      await read(signal);
      if (signal.aborted) return;
      this.phase = 'ready';
      this.error = null;
      this.opened += 1;
    } catch (error) {
      if (signal.aborted) return;
      this.lines = previous;
      this.phase = 'failed';
      this.error = error;
    }
    this.release();
    this.flush();
  }

  private async readOn(pages: number): Promise<void> {
    const { signal } = this.abort;
    let left = pages;
    this.held ??= [];
    try {
      do {
        this.isCatchingAgain = false;
        let isLast = false;
        const isTail = this.isAtEnd;
        while (!isLast && left > 0) {
          const page = await this.source.read(
            { limit: PAGE, level: this.level, ...(this.after === undefined ? {} : { after: this.after }) },
            signal,
          );
          if (signal.aborted) return;
          const added = this.lines.addNewer(page.items, page.reached);
          if (isTail) this.arrived += added;
          this.after = page.after;
          this.isAtEnd = isLast = page.isLast;
          this.isLive = page.isLive;
          this.unreadable += page.unreadable;
          this.error = null;
          this.phase = 'ready';
          left -= 1;
          this.show();
        }
      } while (this.isCatchingAgain && left > 0);
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      this.show();
    }
    this.release();
  }

  /** Take the messages that came while a read was under way. */
  private release(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const message of held) this.receive(message);
  }

  private show(): void {
    if (this.timer !== undefined) return;
    const every = globalThis.document?.hidden ? SHOWN_EVERY_HIDDEN : SHOWN_EVERY;
    this.timer = setTimeout(() => this.flush(), Math.max(0, this.shownAt + every - performance.now()));
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.shownAt = performance.now();
    this.view = this.take();
    this.isPrepended = false;
    for (const listener of this.listeners) listener();
  }

  private take(): RunLogView {
    this.version += 1;
    return {
      lines: this.lines.all,
      version: this.version,
      phase: this.phase,
      error: this.error,
      isFromStart: this.before === null,
      isAtEnd: this.isAtEnd,
      isLive: this.isLive,
      isPrepended: this.isPrepended,
      isReadingOlder: this.isReadingOlder,
      unreadable: this.unreadable,
      arrived: this.arrived,
      opened: this.opened,
    };
  }
}

/** The cursor with which the slice begins that holds a place; undefined also where the outline does not reach so far. */
export function cursorBefore(slices: readonly Slice[], place: Place): string | undefined {
  let found: string | undefined;
  for (const slice of slices) {
    if (compareTo(slice, place) >= 0) break;
    found = slice.after;
  }
  return found;
}

function compareTo(slice: Slice, place: Place): number {
  const { last } = slice;
  if (last.timestamp !== place.timestamp) return last.timestamp < place.timestamp ? -1 : 1;
  return last.recording - place.recording || last.number - place.number;
}
