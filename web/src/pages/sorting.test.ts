import { describe, expect, it } from 'vitest';
import type { WorkflowFigures } from './dashboardApi';
import { orderIn, orderToText, sorted, turned, COLUMNS } from './sorting';

const row = (name: string, runs: number, successRate: number | null, p95Ms: number | null): WorkflowFigures => ({
  name,
  runs,
  success: 0,
  failed: 0,
  successRate,
  p50Ms: p95Ms,
  p95Ms,
  trend: [],
});
const ROWS = [row('b', 5, 50, null), row('a', 5, 100, 20), row('c', 9, null, 10)];
const names = (text: string): string => sorted(ROWS, orderIn(text)).map(({ name }) => name).join('');

describe('the order of workflows', () => {
  it('goes by any column, equal ones by name, and what has no figure last', () => {
    expect(names('-runs')).toBe('cab');
    expect(names('runs')).toBe('abc');
    expect(names('name')).toBe('abc');
    expect(names('-name')).toBe('cba');
    expect(names('p95')).toBe('cab');
    expect(names('-p95')).toBe('acb');
    expect(names('-rate')).toBe('abc');
  });

  it('stands in the address, and what is none there is the usual one', () => {
    for (const column of COLUMNS) {
      for (const isDown of [true, false]) {
        const order = { column, isDown };
        expect(orderIn(orderToText(order))).toEqual(order);
        expect(turned(order, column)).toEqual({ column, isDown: !isDown });
      }
    }
    for (const text of [null, '', '-', 'toString', '--runs']) expect(orderIn(text)).toEqual({ column: 'runs', isDown: true });
    expect(turned(orderIn(null), 'name')).toEqual({ column: 'name', isDown: false });
  });
});
