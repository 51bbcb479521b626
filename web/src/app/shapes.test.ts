import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shapes } from './shapes';

const at = '2026-01-01T00:00:00.000000Z';
const place = { recording: 0, number: 1, timestamp: at };
const run = { scope: 'GLOBAL', id: 'r', workflow: 'w', status: 'Running', startedAt: at, by: { id: 'u', name: 'U' } };
const page = { after: 'a', before: null };
const slice = { first: place, last: place, levels: { info: 1 }, bins: [1], errors: [place], recordings: [0] };
const figures = { runs: 2, success: 1, failed: 1, successRate: 50, p50Ms: 1, p95Ms: null };
const period = { start: at, state: 'open', runs: 2, success: 1, failed: 1 };
const range = { range: '-ff', owner: null, lagItems: 0, lagSeconds: 0.5, movedAt: at, problem: null, failures: 0, stuckSince: null };
const cost = { dollars: 0.1, shares: { writes: 0.1 }, alertDollars: 25 };
const store = { name: 'table', problem: null, isNeeded: true, journal: null, oldestEntry: at, stuck: [{ entry: 'e', reason: 'r' }] };
const GOOD: Record<keyof typeof shapes, unknown> = {
  me: { name: 'kim', scope: 'GLOBAL', places: [] },
  scopes: [{ scope: 'GLOBAL', name: 'Global' }],
  runs: { runs: [run], next: null },
  run,
  durations: { p95Ms: { w: 1 } },
  dashboard: {
    window: '7d',
    source: 'live',
    total: figures,
    before: figures,
    series: [period],
    workflows: [{ ...figures, name: 'w', trend: [1, null] }],
    others: null,
    isExact: false,
    asOf: null,
    behindSeconds: 1.5,
  },
  failures: { runs: [run], scopesLeftOut: 0 },
  feeds: {
    stores: [{ store: 'cosmos', problem: null, processors: [{ name: 'p', feed: 'runs', deadLetters: 0, deadLettersCommand: null, ranges: [range] }] }],
    now: at,
  },
  processCost: { ...cost, since: at, seconds: 1, requestUnits: 1, calls: 1, isPriced: true },
  monthCost: {
    ...cost,
    isMeasured: true,
    measuredOn: 'an emulator',
    isModel: true,
    runs: 1,
    runsFrom: 'asked',
    retentionDays: 14,
    messages: 1,
    command: 'bifrost-store cost',
  },
  migration: {
    isPossible: true,
    phase: 'verified',
    next: [{ text: 'wait', command: null }],
    now: at,
    changedAt: at,
    steps: [{ step: 'start', state: 'done' }],
    daysLeft: null,
    routes: [{ scope: null, primary: 'table', secondary: 'cosmos' }],
    move: { kind: 'cutover', stage: 'quiet' },
    running: { step: 'verify', runner: 'r', beganAt: at, interruptedSince: null },
    progress: [{ name: 'verify', done: 1, total: null, rate: 0.5, secondsLeft: null }],
    backfill: { counts: { copied: 1 }, endedAt: at },
    verification: { beganAt: at, endedAt: at, counts: { same: 1 }, open: 0, kinds: [{ kind: 'execution', counts: { differs: 1 } }] },
    stores: [{ ...store, processes: [{ process: 'p', state: 'live', flag: null, problem: null }] }],
    commands: { routes: 'bifrost-store migrate cutover' },
  },
  result: { type: 'json', value: 1 },
  variables: { ...place, count: 1, variables: {} },
  states: { ...page, items: [{ ...place, state: null }] },
  lines: { ...page, items: [{ ...place, level: 'info', message: '' }] },
  outline: { slices: [slice], after: 'a' },
};
/** Return what an answer would be with one of its parts replaced, for each part; and where that is. */
function* broken(value: unknown, path = ''): Generator<readonly [string, unknown]> {
  if (typeof value !== 'object' || value === null) return;
  const isList = Array.isArray(value);
  for (const [name, one] of Object.entries(value)) {
    const rest = (part: unknown): unknown => (isList ? value.map((other: unknown, number) => (String(number) === name ? part : other)) : { ...value, [name]: part });
    yield [`${path}.${name}`, rest(Symbol.iterator)];
    for (const [where, part] of broken(one, `${path}.${name}`)) yield [where, rest(part)];
  }
}

describe('shapes of answers', () => {
  it('take what the API answers', () => {
    for (const [name, value] of Object.entries(GOOD)) expect(shapes[name as keyof typeof shapes](value), name).toBe(true);
    expect([shapes.result(null), shapes.variables(null)]).toEqual([true, true]);
    expect(shapes.monthCost({ isMeasured: false })).toBe(true);
    expect(shapes.migration({ isPossible: false, phase: 'none', next: [{ text: '', command: 'c' }], now: at })).toBe(true);
  });

  it('refuse anything else, and never fail at it', () => {
    for (const shape of Object.values(shapes)) {
      fc.assert(fc.property(fc.anything(), (value) => typeof shape(value) === 'boolean'));
    }
    const wrong = { after: 1, id: 1, scope: 1, type: 1, number: 'x', runs: {}, p95Ms: { w: 'x' }, series: 1, stores: 1, shares: 1, phase: 1 };
    for (const [name, good] of Object.entries(GOOD)) {
      for (const bad of [undefined, 1, 'x', {}, [null], [[]], { ...(good as object), ...wrong }]) {
        const isGood = name === 'scopes' && Array.isArray(bad) && bad.length === 0;
        expect(shapes[name as keyof typeof shapes](bad), `${name} ${JSON.stringify(bad)}`).toBe(isGood);
      }
    }
  });

  it('refuse an answer of which any part that pages look at is something else', () => {
    for (const name of ['dashboard', 'failures', 'feeds', 'processCost', 'monthCost', 'migration'] as const) {
      const cases = [...broken(GOOD[name])];
      expect(cases.length).toBeGreaterThan(5);
      for (const [where, value] of cases) expect(shapes[name](value), `${name}${where}`).toBe(false);
    }
  });
});
