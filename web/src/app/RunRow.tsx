import { memo, type ReactNode } from 'react';
import { Link } from 'wouter';
import { Duration, exact, moment, plain, StatusBadge, useNow } from '../live';
import type { Run } from './api';
import css from './RunsPage.module.css';
import { useSettings } from './settings';

interface Props {
  readonly run: Run;
  /** What 95 of 100 runs of the workflow stay below, in milliseconds. */
  readonly slow: number | null;
}

export const RunRow = memo(function RunRow({ run, slow }: Props): ReactNode {
  const { zone } = useSettings();
  const now = useNow(zone === 'relative' || !run.isFinal);
  const isFailed = run.status === 'Failed' || run.status === 'Timeout' || run.status === 'CompletedWithErrors';
  const taken = run.durationMs ?? (run.isFinal ? null : now - Date.parse(run.startedAt));
  const share = taken === null || slow === null || slow === 0 ? null : Math.min(1, taken / slow);
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
      <td className={css.duration}>
        <Duration {...run} />
        {share !== null && (
          <span className={css.bar} aria-hidden="true" title="against 95 of 100 listed runs of this workflow">
            <span style={{ width: `${share * 100}%` }} />
          </span>
        )}
      </td>
    </tr>
  );
});
