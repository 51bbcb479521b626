import { describe, expect, it } from 'vitest';
import { Lines } from './lines';
import type { LogLine } from './types';

const at = (recording: number, number: number, time: number): LogLine => ({
  recording,
  number,
  timestamp: `${new Date(Date.UTC(2026, 0, 1) + time).toISOString().slice(0, 23)}000Z`,
  level: 'info',
  message: '',
});

describe('lines that were read', () => {
  it('stand in order though an older page reaches among hundreds of thousands that are here', () => {
    const lines = new Lines();
    lines.addNewer(Array.from({ length: 200_000 }, (_, index) => at(0, index + 1, 10 + index)));
    expect(lines.addOlder([at(1, 1, 5), at(1, 2, 12), at(1, 3, 199_990)])).toBe(3);
    expect(lines.all.length).toBe(200_003);
    expect([1, 2, 3].map((number) => lines.indexOf(at(1, number, [5, 12, 199_990][number - 1]!)))).toEqual([0, 4, 199_983]);
    expect(lines.addOlder([at(1, 1, 5)])).toBe(0);
  });
});
