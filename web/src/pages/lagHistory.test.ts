import { describe, expect, it } from 'vitest';
import { LagHistory } from './lagHistory';
import type { Feeds } from './operationsApi';

const told = (minute: number, lagItems: number): Feeds => ({
  now: new Date(Date.UTC(2026, 10, 1, 0, minute)).toISOString(),
  stores: [
    {
      store: 'sqlite',
      problem: null,
      processors: [
        {
          name: 'metrics',
          feed: 'executions',
          deadLetters: 0,
          deadLettersCommand: null,
          ranges: [{ range: 'all', owner: null, lagItems, lagSeconds: 0, movedAt: null, problem: null, failures: 0, stuckSince: null }],
        },
      ],
    },
  ],
});

describe('the lag of a range', () => {
  it('is kept for half an hour, each answer once', () => {
    const history = new LagHistory();
    for (const minute of [0, 10, 20, 29]) history.note(told(minute, minute));
    history.note(told(29, 29));
    expect(history.of('sqlite', 'metrics', 'all')).toEqual([0, 10, 20, 29]);
    history.note(told(41, 1));
    expect(history.of('sqlite', 'metrics', 'all')).toEqual([20, 29, 1]);
    expect(history.of('sqlite', 'metrics', 'another')).toEqual([]);
  });
});
