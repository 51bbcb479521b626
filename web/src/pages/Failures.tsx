import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { Run } from '../app/api';
import { exact, moment, StatusIcon, useNow, type Zone } from '../live';
import look from './DashboardPage.module.css';
import css from './Panel.module.css';

interface Props {
  readonly runs: readonly Run[];
  readonly window: string;
  readonly zone: Zone;
}

/** The runs that failed last. */
export function Failures({ runs, window, zone }: Props): ReactNode {
  const now = useNow(zone === 'relative');
  if (runs.length === 0) return <p className={css.muted}>No run that began in the last {window} has failed.</p>;
  return (
    <ul className={look.failures}>
      {runs.map((run) => (
        <li key={run.id}>
          <StatusIcon status={run.status} />
          <div>
            <Link href={`/runs/${run.scope}/${run.id}`}>{run.workflow}</Link>{' '}
            <time dateTime={run.startedAt} title={exact(run.startedAt, zone === 'utc' ? 'utc' : 'local')}>
              {moment(run.startedAt, zone, now)}
            </time>
            <p>{[run.status === 'Failed' ? null : run.status, run.errorType, run.errorMessage?.split('\n')[0]].filter(Boolean).join(': ').slice(0, 200)}</p>
          </div>
        </li>
      ))}
    </ul>
  );
}
