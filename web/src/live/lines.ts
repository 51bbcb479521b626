import { compare, indexIn, type LogLine, type LogMessage, type Place } from './types';

export type Received = 'added' | 'old' | 'gap';

/**
 * A stretch of a run's lines in the order shown, each once, whatever order pages and messages come in.
 *
 * Per recording it knows the lowest number it holds and the highest that it has passed: numbers between them that are
 * missing were left out by whoever recorded them.
 */
export class Lines {
  all: LogLine[] = [];
  private readonly lowest = new Map<number, number>();
  private readonly passed = new Map<number, number>();

  /** Add what was read behind the stretch; returns how many lines were new. */
  addNewer(items: readonly LogLine[], reached?: Readonly<Record<string, number>>): number {
    let added = 0;
    for (const line of items) {
      if (line.number > (this.passed.get(line.recording) ?? 0)) {
        this.insert(line);
        this.pass(line.recording, line.number);
        added += 1;
      }
    }
    for (const [recording, number] of Object.entries(reached ?? {})) this.pass(Number(recording), number);
    return added;
  }

  /** Add what was read before the stretch; returns how many lines were new. */
  addOlder(items: readonly LogLine[]): number {
    const fresh = items.filter((line) => line.number < (this.lowest.get(line.recording) ?? Infinity));
    for (const line of fresh) {
      this.lower(line);
      this.pass(line.recording, line.number);
    }
    // Recordings overlap in time: what was read may stand among the first of those that are here.
    const last = fresh.at(-1);
    const overlap = last === undefined ? 0 : this.indexOf(last);
    const first = overlap === 0 ? fresh : fresh.concat(this.all.slice(0, overlap)).sort(compare);
    this.all = first.concat(this.all.slice(overlap));
    return fresh.length;
  }

  /** Add what a message brings, if nothing is missing before it. */
  receive({ recording, covers: [from, to], lines }: LogMessage): Received {
    const passed = this.passed.get(recording) ?? 0;
    if (to <= passed) return 'old';
    if (from > passed + 1 || lines === undefined) return 'gap';
    const added = this.addNewer(lines);
    this.pass(recording, to);
    return added > 0 ? 'added' : 'old';
  }

  /** The index of a line, or of the first one behind that place. */
  indexOf(place: Place): number {
    return indexIn(this.all, place);
  }

  private insert(line: LogLine): void {
    this.lower(line);
    const last = this.all.at(-1);
    if (last === undefined || compare(last, line) < 0) this.all.push(line);
    else this.all.splice(this.indexOf(line), 0, line);
  }

  private lower({ recording, number }: Place): void {
    this.lowest.set(recording, Math.min(number, this.lowest.get(recording) ?? Infinity));
  }

  private pass(recording: number, number: number): void {
    this.passed.set(recording, Math.max(number, this.passed.get(recording) ?? 0));
  }
}
