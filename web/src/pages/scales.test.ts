import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labelled, line, stacked, ticks } from './scales';

describe('scales', () => {
  it('divide an axis into whole, round steps that reach the most', () => {
    expect(ticks(0, 4)).toEqual([0, 1]);
    expect(ticks(1, 4)).toEqual([0, 1]);
    expect(ticks(7, 4)).toEqual([0, 2, 4, 6, 8]);
    expect(ticks(64, 4)).toEqual([0, 20, 40, 60, 80]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e12 }), (most) => {
        const found = ticks(most, 4);
        expect(found.at(-1)).toBeGreaterThanOrEqual(most);
        expect(found.length).toBeLessThanOrEqual(5);
        expect(found.every(Number.isInteger)).toBe(true);
      }),
    );
  });

  it('name as many columns as there is room for, the last one always', () => {
    expect([...labelled(7, 99)].toSorted((one, other) => one - other)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect([...labelled(7, 3)].toSorted((one, other) => one - other)).toEqual([0, 3, 6]);
    expect([...labelled(5, 0)]).toEqual([4]);
  });

  it('stack parts without gaps, and show the smallest one', () => {
    expect(stacked([50, 0, 50], 100, 200)).toEqual([
      { y: 100, height: 100 },
      { y: 100, height: 0 },
      { y: 0, height: 100 },
    ]);
    expect(stacked([999_999, 0, 1], 1_000_000, 200)[2]!.height).toBe(1);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 4 }), (values) => {
        const most = values.reduce((sum, value) => sum + value, 0);
        for (const { y, height } of stacked(values, most, 200)) {
          expect(y).toBeGreaterThanOrEqual(0);
          expect(y + height).toBeLessThanOrEqual(200 + 1e-6 + values.length);
        }
      }),
    );
  });

  it('draw lines that stop where nothing was counted', () => {
    expect(line([0, 5, 10], 20, 10)).toBe('M0 10L10 5L20 0');
    expect(line([1, null, 1, 1], 30, 10)).toBe('M0 0h1M20 0L30 0');
    expect(line([3], 20, 10)).toBe('M0 0h1');
    expect(line([null, null], 20, 10)).toBe('');
    expect(line([], 20, 10)).toBe('');
  });
});
