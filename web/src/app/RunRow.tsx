import { memo, type ReactNode } from 'react';
import { Link } from 'wouter';
import { duration, Duration, exact, moment, plain, StatusBadge, useNow } from '../live';
import type { Run } from './api';
import css from './RunsPage.module.css';
import { useSettings } from './settings';

interface Props {
  readonly run: Run;
  readonly usual: Usual | null;
}

/** What 95 of 100 runs of a workflow stay below. */
export interface Usual {
  readonly milliseconds: number;
  /** Of which time they are; null: of those that are listed. */
  readonly of: string | null;
}

export const RunRow = memo(function RunRow({ run, usual }: Props): ReactNode {
  const { zone } = useSettings();
  const now = useNow(zone === 'relative' || !run.isFinal);
  const isFailed = run.status === 'Failed' || run.status === 'Timeout' || run.status === 'CompletedWithErrors';
  const taken = run.durationMs ?? (run.isFinal ? null : now - Date.parse(run.startedAt));
  const share = taken === null || usual === null || usual.milliseconds === 0 ? null : Math.min(1, taken / usual.milliseconds);
  const error = [run.errorType, run.errorMessage?.split('\n')[0]].filter(Boolean).join(': ');
  return (
    <tr className={isFailed ? css.failed : undefined}>
      <td>
        <StatusBadge status={run.status} />
      </td>
      <td className={css.workflow}>
        <Link href={`/runs/${run.scope}/${run.id}`} data-run={run.id}>
          {plain(run.workflow)}
        </Link>
        {isFailed && error !== '' && <div className={css.error}>{plain(error.slice(0, 300))}</div>}
      </td>
      <td className={css.id} title={run.id}>
        …{run.id.slice(-8)}
      </td>
      <td className={css.by} title={run.by.id}>
        {plain(run.by.name)}
      </td>
      <td className={css.started}>
        <time dateTime={run.startedAt} title={exact(run.startedAt, zone === 'utc' ? 'utc' : 'local')}>
          {moment(run.startedAt, zone, now)}
        </time>
      </td>
      <td className={css.duration} title={share === null || usual === null ? undefined : described(usual)}>
        <Duration {...run} />
        {share !== null && (
          <span className={css.bar} aria-hidden="true">
            <span style={{ width: `${share * 100}%` }} />
          </span>
        )}
      </td>
    </tr>
  );
});

function described({ milliseconds, of }: Usual): string {
  return `95 of 100 ${of === null ? 'listed runs of this workflow' : `runs of this workflow in ${of}`} took ${duration(milliseconds)} or less`;
}
