import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { duration } from '../live';
import { PLATFORM, WINDOWS, type Dashboard } from './dashboardApi';
import look from './DashboardPage.module.css';
import { change, percent, whole, type Change } from './format';

/** The four figures, each with its change against the window before. */
export function FigureCards({ dashboard }: { readonly dashboard: Dashboard }): ReactNode {
  const { total, before, isExact, scope, window } = dashboard;
  const failed = whole(total.failed);
  const runs = scope === PLATFORM ? null : `/runs/${scope}?status=failed&window=${window}`;
  const least = isExact ? '' : '≥ ';
  return (
    <dl className={look.figures}>
      <Card name="Runs" note={isExact ? null : 'at least: not all periods were counted'} change={change(total.runs, before?.runs ?? null, '%')} window={window}>
        {least}
        {whole(total.runs)}
      </Card>
      <Card name="Success rate" note={partly(isExact)} change={change(total.successRate, before?.successRate ?? null, 'points')} good="up" window={window}>
        {percent(total.successRate)}
      </Card>
      <Card name="Failed" note={partly(isExact)} change={change(total.failed, before?.failed ?? null, '%')} good="down" window={window}>
        {least}
        {runs === null || total.failed === 0 ? failed : <Link href={runs}>{failed}</Link>}
      </Card>
      <Card name="p95 duration" note={partly(isExact)} change={change(total.p95Ms, before?.p95Ms ?? null, '%')} good="down" window={window}>
        {total.p95Ms === null ? '–' : duration(total.p95Ms)}
      </Card>
    </dl>
  );
}

function partly(isExact: boolean): string | null {
  return isExact ? null : 'of what was counted';
}

function compared(by: Change | null, what: string): string {
  if (by === null) return `nothing to compare with in ${what}`;
  return by.direction === 'same' ? `as in ${what}` : `${by.text} against ${what}`;
}

interface CardProps {
  readonly name: string;
  readonly note: string | null;
  readonly change: Change | null;
  /** The direction that is welcome. */
  readonly good?: 'up' | 'down';
  readonly window: Dashboard['window'];
  readonly children: ReactNode;
}

function Card({ name, note, change: by, good, window, children }: CardProps): ReactNode {
  const isBad = by !== null && good !== undefined && by.direction !== 'same' && by.direction !== good;
  return (
    <div className={look.figure}>
      <dt>{name}</dt>
      <dd className={look.value}>{children}</dd>
      <dd className={isBad ? look.bad : undefined}>
        {note ?? compared(by, `the ${WINDOWS[window]} before`)}
      </dd>
    </div>
  );
}
