import { describe, expect, it } from 'vitest';
import { change, dollars, percent, periodName, roughly, short } from './format';

describe('formats', () => {
  it('tell a change, and that there is nothing to compare with', () => {
    expect(change(112, 100, '%')).toEqual({ text: '+12.0 %', direction: 'up' });
    expect(change(1, 3, '%')).toEqual({ text: '−66.7 %', direction: 'down' });
    expect(change(100, 100, '%')).toEqual({ text: '±0', direction: 'same' });
    expect(change(96.9, 100, 'points')).toEqual({ text: '−3.1 points', direction: 'down' });
    expect(change(2_000_000, 1, '%')?.text).toBe('+199,999,900 %');
    expect(change(0, 0, '%')?.direction).toBe('same');
    for (const [now, before] of [[5, null], [null, 5], [5, 0]] as const) expect(change(now, before, '%')).toBeNull();
  });

  it('keep what is little apart from nothing', () => {
    expect([0, 0.004, 5.5, 1234.5].map(dollars)).toEqual(['0.00 $', '< 0.01 $', '5.50 $', '1,234.50 $']);
    expect([null, 0, 99.94, 99.96, 100].map(percent)).toEqual(['–', '0 %', '99.9 %', '99.9 %', '100 %']);
    expect([950, 12_400, 1_000_000].map(short)).toEqual(['950', '12.4k', '1m']);
    expect([0.2, 59, 61, 7_300, 200_000].map(roughly)).toEqual(['0 s', '59 s', '1 min', '2 h', '2 d']);
  });

  it('name hours in the zone of the reader, and days as they were counted: in UTC', () => {
    expect(periodName('2026-11-29T23:00:00Z', true, 'utc', 'short')).toBe('23:00');
    expect(periodName('2026-11-29T23:00:00Z', true, 'utc', 'long')).toBe('Sun 29 Nov, 23:00 UTC');
    for (const zone of ['local', 'utc', 'relative'] as const) {
      expect(periodName('2026-11-29T00:00:00Z', false, zone, 'short')).toBe('29 Nov');
      expect(periodName('2026-11-29T00:00:00Z', false, zone, 'long')).toBe('Sun, 29 Nov 2026');
    }
  });
});
