import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shapes } from './shapes';

const place = { recording: 0, number: 1, timestamp: '2026-01-01T00:00:00.000000Z' };
const run = { scope: 'GLOBAL', id: 'r', workflow: 'w', status: 'Running', startedAt: place.timestamp, by: { id: 'u', name: 'U' } };
const page = { after: 'a', before: null };
const slice = { first: place, last: place, levels: { info: 1 }, bins: [1], errors: [place], recordings: [0] };
const GOOD: Record<keyof typeof shapes, unknown> = {
  me: { name: 'kim', scope: 'GLOBAL', places: [] },
  scopes: [{ scope: 'GLOBAL', name: 'Global' }],
  runs: { runs: [run], next: null },
  run,
  durations: { p95Ms: { w: 1 } },
  result: { type: 'json', value: 1 },
  variables: { ...place, count: 1, variables: {} },
  states: { ...page, items: [{ ...place, state: null }] },
  lines: { ...page, items: [{ ...place, level: 'info', message: '' }] },
  outline: { slices: [slice], after: 'a' },
};

describe('shapes of answers', () => {
  it('take what the API answers', () => {
    for (const [name, value] of Object.entries(GOOD)) expect(shapes[name as keyof typeof shapes](value), name).toBe(true);
    expect([shapes.result(null), shapes.variables(null)]).toEqual([true, true]);
  });

  it('refuse anything else, and never fail at it', () => {
    for (const shape of Object.values(shapes)) {
      fc.assert(fc.property(fc.anything(), (value) => typeof shape(value) === 'boolean'));
    }
    for (const [name, good] of Object.entries(GOOD)) {
      for (const bad of [undefined, 1, 'x', {}, [null], [[]], { ...(good as object), after: 1, id: 1, scope: 1, type: 1, number: 'x', runs: {}, p95Ms: { w: 'x' } }]) {
        const isGood = name === 'scopes' && Array.isArray(bad) && bad.length === 0;
        expect(shapes[name as keyof typeof shapes](bad), `${name} ${JSON.stringify(bad)}`).toBe(isGood);
      }
    }
  });
});
