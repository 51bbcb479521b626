/** What a run leaves, as whoever shows it gets it. */

export const LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const;
export type Level = (typeof LEVELS)[number];

/** Where an item stands: the shown order is time, then recording, then number. */
export interface Place {
  readonly recording: number;
  readonly number: number;
  /** ISO 8601 in UTC with six digits of a second, so that text order is time order. */
  readonly timestamp: string;
}

export interface LogLine extends Place {
  readonly level: Level;
  readonly message: string;
  readonly data?: unknown;
  readonly logger?: string;
  readonly traceback?: string;
}

export interface Variables extends Place {
  readonly count: number;
  readonly variables: Readonly<Record<string, unknown>>;
}

export interface State extends Place {
  readonly count: number;
  readonly state: unknown;
}

export interface ItemsPage<Item = LogLine> {
  readonly items: readonly Item[];
  /** Reads on behind this page. */
  readonly after: string;
  /** Reads what stands before this page; null: nothing does. */
  readonly before: string | null;
  readonly isLast: boolean;
  /** More may come. */
  readonly isLive: boolean;
  readonly unreadable: number;
  /** By recording, the number up to which `after` has passed; absent where the source does not tell. */
  readonly reached?: Readonly<Record<string, number>>;
}

/** Some hundreds of lines that follow each other, for whoever has not read them. */
export interface Slice {
  readonly first: Place;
  readonly last: Place;
  readonly levels: Partial<Record<Level, number>>;
  /** Counts of lines in equal parts of the time from first to last. */
  readonly bins: readonly number[];
  readonly errors: readonly Place[];
  readonly recordings: readonly number[];
  /** By recording, how many items its lines say were dropped; absent where the source does not tell. */
  readonly dropped?: Readonly<Record<string, number>>;
  /** Reads on behind the slice. */
  readonly after: string;
}

export interface Outline {
  readonly slices: readonly Slice[];
  readonly after: string;
  readonly isLast: boolean;
  readonly isLive: boolean;
  /** By recording that has said that it ended, how many of its items were dropped in all; absent where the source does not tell. */
  readonly ended?: Readonly<Record<string, number>>;
}

export interface ReadQuery {
  readonly after?: string;
  readonly before?: string;
  readonly fromEnd?: boolean;
  readonly limit: number;
  readonly level: Level;
}

/** One flush of a recording. Without `lines` it was too large to be sent, or nothing of it is shown: read it. */
export interface LogMessage {
  readonly recording: number;
  /** First and last number of what the flush holds, left out items included. */
  readonly covers: readonly [number, number];
  readonly lines?: readonly LogLine[];
}

/** Where the lines of one run come from. */
export interface RunLogSource {
  read(query: ReadQuery, signal: AbortSignal): Promise<ItemsPage>;
  find(query: { text: string; level: Level; after?: string }, signal: AbortSignal): Promise<ItemsPage>;
  outline(after: string | undefined, signal: AbortSignal): Promise<Outline>;
  /** Tells what is new at once. Without it, or while it is off, lines are read every few seconds. Returns how to stop. */
  listen?(listener: LogListener): () => void;
}

export interface LogListener {
  onMessage(message: LogMessage): void;
  /** Something may have been missed, as after a reconnect: read. */
  onGap(): void;
  /** Whether messages come now; until they do, and when they do not, lines are read every few seconds. */
  onLive(isLive: boolean): void;
}

export function isBefore(one: Place, other: Place): boolean {
  return compare(one, other) < 0;
}

export function compare(one: Place, other: Place): number {
  if (one.timestamp !== other.timestamp) return one.timestamp < other.timestamp ? -1 : 1;
  return one.recording - other.recording || one.number - other.number;
}

/** The index of a line among lines in the order shown, or of the first one behind that place. */
export function indexIn(lines: readonly LogLine[], place: Place): number {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(lines[middle]!, place) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function keyOf({ recording, number }: Place): string {
  return `${recording}-${number}`;
}

export function rank(level: Level): number {
  return LEVELS.indexOf(level);
}
