import type { Feeds } from './operationsApi';

const KEPT = 30 * 60_000;

interface Sample {
  readonly at: number;
  readonly items: number;
}

/** What waited in each range over the last half hour, as this page saw it. */
export class LagHistory {
  private readonly samples = new Map<string, Sample[]>();

  note(feeds: Feeds): void {
    const at = Date.parse(feeds.now);
    for (const { store, processors } of feeds.stores) {
      for (const { name, ranges } of processors) {
        for (const { range, lagItems } of ranges) {
          const key = keyOf(store, name, range);
          const kept = this.samples.get(key)?.filter((sample) => sample.at > at - KEPT && sample.at < at) ?? [];
          this.samples.set(key, [...kept, { at, items: lagItems }]);
        }
      }
    }
  }

  of(store: string, processor: string, range: string): readonly number[] {
    return this.samples.get(keyOf(store, processor, range))?.map(({ items }) => items) ?? [];
  }
}

function keyOf(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}
