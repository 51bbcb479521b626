import type { WorkflowFigures } from './dashboardApi';

export type Column = 'name' | 'runs' | 'rate' | 'p50' | 'p95';

export interface Order {
  readonly column: Column;
  readonly isDown: boolean;
}

export const COLUMNS: readonly Column[] = ['name', 'runs', 'rate', 'p50', 'p95'];
const FIRST: Order = { column: 'runs', isDown: true };

/** As addresses have it: `p95` upwards, `-p95` downwards; what is none is the order with most runs first. */
export function orderIn(text: string | null): Order {
  const isDown = text?.startsWith('-') ?? false;
  const column = COLUMNS.find((one) => one === (isDown ? text!.slice(1) : text));
  return column === undefined ? FIRST : { column, isDown };
}

export function orderToText(order: Order): string | null {
  if (order.column === FIRST.column && order.isDown === FIRST.isDown) return null;
  return `${order.isDown ? '-' : ''}${order.column}`;
}

/** What a click on a column gives: names begin with A, figures with the largest; once more turns it round. */
export function turned(order: Order, column: Column): Order {
  return order.column === column ? { column, isDown: !order.isDown } : { column, isDown: column !== 'name' };
}

/** Sorted by a column, equal ones by name; what has no figure comes last either way. */
export function sorted(rows: readonly WorkflowFigures[], { column, isDown }: Order): readonly WorkflowFigures[] {
  const figure = (row: WorkflowFigures): number | null =>
    column === 'runs' ? row.runs : column === 'rate' ? row.successRate : column === 'p50' ? row.p50Ms : row.p95Ms;
  const byName = (one: WorkflowFigures, other: WorkflowFigures): number => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0);
  return rows.toSorted((one, other) => {
    if (column === 'name') return isDown ? -byName(one, other) : byName(one, other);
    const first = figure(one);
    const second = figure(other);
    if (first === null || second === null) return first === second ? byName(one, other) : first === null ? 1 : -1;
    return (isDown ? second - first : first - second) || byName(one, other);
  });
}
