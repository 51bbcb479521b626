import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { RunLog } from './runLog';
import { compare, type ItemsPage, type LogLine, type LogMessage, type ReadQuery, type RunLogSource } from './types';

interface Flush {
  readonly recording: number;
  /** Of each number whether its line is kept; others were left out. */
  readonly kept: readonly boolean[];
}

/** A run in the making: flushes are acknowledged one after another, and can then be read. */
class World implements RunLogSource {
  readonly lines: LogLine[] = [];
  private readonly numbers = new Map<number, number>();
  private time = 0;
  isLive = true;
  private blocked: (() => void)[] = [];
  isSlow = false;

  flush({ recording, kept }: Flush): LogMessage {
    const from = (this.numbers.get(recording) ?? 0) + 1;
    const lines: LogLine[] = [];
    kept.forEach((isKept, index) => {
      this.time += index % 2;
      const timestamp = new Date(Date.UTC(2026, 0, 1) + this.time).toISOString().replace('Z', '000Z');
      if (isKept) lines.push({ recording, number: from + index, timestamp, level: 'info', message: `${recording}-${from + index}` });
    });
    this.numbers.set(recording, from + kept.length - 1);
    this.lines.push(...lines);
    this.lines.sort(compare);
    return { recording, covers: [from, from + kept.length - 1], lines };
  }

  async read(query: ReadQuery): Promise<ItemsPage> {
    const page = this.page(query);
    if (this.isSlow) await new Promise<void>((resolve) => this.blocked.push(resolve));
    return page;
  }

  release(): void {
    for (const resolve of this.blocked.splice(0)) resolve();
  }

  private page({ after, before, fromEnd, limit }: ReadQuery): ItemsPage {
    const places: Record<string, number> = after === undefined ? {} : JSON.parse(after);
    const limits: Record<string, number> = before === undefined ? {} : JSON.parse(before);
    const passed = (line: LogLine): boolean => line.number <= (places[line.recording] ?? 0);
    let items: LogLine[];
    if (before !== undefined) items = this.lines.filter((line) => line.number < (limits[line.recording] ?? 0)).slice(-limit);
    else if (fromEnd) items = this.lines.slice(-limit);
    else items = this.lines.filter((line) => !passed(line)).slice(0, limit);
    const isLast = before === undefined && (fromEnd === true || this.lines.filter((line) => !passed(line)).length <= limit);
    const reached: Record<string, number> = { ...places };
    for (const line of items) reached[line.recording] = Math.max(line.number, reached[line.recording] ?? 0);
    if (isLast) for (const [recording, number] of this.numbers) reached[recording] = number;
    const lowest: Record<string, number> = { ...limits };
    if (fromEnd) for (const [recording, number] of this.numbers) lowest[recording] = number + 1;
    for (const line of items) lowest[line.recording] = Math.min(line.number, lowest[line.recording] ?? Infinity);
    const isFirst = !this.lines.some((line) => line.number < (lowest[line.recording] ?? 0));
    return {
      items,
      after: JSON.stringify(reached),
      before: isFirst ? null : JSON.stringify(lowest),
      isLast,
      isLive: this.isLive,
      unreadable: 0,
      reached,
    };
  }

  find(): Promise<ItemsPage> {
    throw new Error('not asked for');
  }

  outline(): Promise<never> {
    throw new Error('not asked for');
  }
}

const flushes = fc.record({ recording: fc.integer({ min: 0, max: 2 }), kept: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }) });
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('flush' as const), flush: flushes, sent: fc.constantFrom('sent', 'lost', 'late', 'twice', 'empty') }),
    fc.record({ do: fc.constantFrom('read' as const, 'older' as const, 'slow' as const, 'release' as const, 'late' as const) }),
  ),
  { maxLength: 40 },
);

describe('the lines of a run', () => {
  it('are each there once and in order, whatever order messages, reads and gaps come in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(flushes, { maxLength: 8 }), steps, async (begun, taken) => {
        const world = new World();
        for (const flush of begun) world.flush(flush);
        const log = new RunLog(world, 'debug');
        let late: LogMessage[] = [];
        let opening = log.openEnd();
        for (const step of taken) {
          if (step.do === 'flush') {
            const message = world.flush(step.flush);
            if (step.sent === 'late') late.push(message);
            else if (step.sent === 'empty') log.receive({ recording: message.recording, covers: message.covers });
            else if (step.sent !== 'lost') log.receive(message);
            if (step.sent === 'twice') log.receive(message);
          } else if (step.do === 'late') {
            for (const message of late.toReversed()) log.receive(message);
            late = [];
          } else if (step.do === 'read') void log.catchUp();
          else if (step.do === 'older') void log.readOlder();
          else if (step.do === 'slow') world.isSlow = true;
          else world.release();
          await settle();
        }
        world.isSlow = false;
        for (let turn = 0; turn < 5; turn += 1) {
          world.release();
          await settle();
        }
        await opening;
        await log.catchUp();
        while (!log.snapshot().isFromStart) {
          await log.readOlder();
          await new Promise((resolve) => setTimeout(resolve));
        }
        expect(log.snapshot().lines.map((line) => line.message)).toEqual(world.lines.map((line) => line.message));
        log.close();
      }),
    );
  });

  it('are opened with the last thousand, and go on from where they stand', async () => {
    const world = new World();
    for (let count = 0; count < 30; count += 1) world.flush({ recording: 0, kept: new Array<boolean>(100).fill(true) });
    const log = new RunLog(world, 'info');
    await log.openEnd();
    expect(log.snapshot().lines.length).toBe(1_000);
    expect(log.snapshot().isFromStart).toBe(false);

    log.receive(world.flush({ recording: 0, kept: [true] }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(log.snapshot().lines.length).toBe(1_001);
    expect(log.snapshot().arrived).toBe(1);
  });

  it('are shown at once after a pause, and no more than once a frame', async () => {
    vi.useFakeTimers();
    try {
      const world = new World();
      const log = new RunLog(world, 'info');
      await log.openEnd();
      const seen: number[] = [];
      log.subscribe(() => seen.push(log.snapshot().lines.length));
      const receive = (): void => log.receive(world.flush({ recording: 0, kept: [true] }));
      vi.advanceTimersByTime(20);
      receive();
      receive();
      vi.advanceTimersByTime(0);
      expect(seen).toEqual([2]);
      receive();
      vi.advanceTimersByTime(8);
      receive();
      vi.advanceTimersByTime(7);
      expect(seen).toEqual([2]);
      vi.advanceTimersByTime(1);
      expect(seen).toEqual([2, 4]);
      log.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it('stay when reading fails, which is told, and is tried again', async () => {
    const world = new World();
    world.flush({ recording: 0, kept: [true, true] });
    const log = new RunLog(world, 'info');
    await log.openEnd();
    const read = world.read.bind(world);
    world.read = () => Promise.reject(new Error('away'));
    world.flush({ recording: 0, kept: [true] });
    await log.catchUp();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(log.snapshot().lines.length).toBe(2);
    expect(String(log.snapshot().error)).toContain('away');

    world.read = read;
    await log.catchUp();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(log.snapshot().lines.length).toBe(3);
    expect(log.snapshot().error).toBe(null);
  });
});

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}
