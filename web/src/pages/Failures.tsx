import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { exact, moment, StatusIcon, useNow, type Zone } from '../live';
import type { PlatformFailures } from './dashboardApi';
import look from './DashboardPage.module.css';
import css from './Panel.module.css';

interface Props {
  readonly found: PlatformFailures;
  readonly window: string;
  readonly zone: Zone;
  /** Runs are of several scopes, and each says of which. */
  readonly isPlatform: boolean;
}

/** The runs that failed last. */
export function Failures({ found, window, zone, isPlatform }: Props): ReactNode {
  const now = useNow(zone === 'relative');
  const { runs, scopesLeftOut } = found;
  if (runs.length === 0) {
    return (
      <p className={css.muted}>
        No run that began in the last {window} has failed{isPlatform ? ', by the figures that are kept' : ''}.
      </p>
    );
  }
  return (
    <>
      <ul className={look.failures}>
        {runs.map((run) => (
          <li key={`${run.scope} ${run.id}`}>
            <StatusIcon status={run.status} />
            <div>
              <Link href={`/runs/${run.scope}/${run.id}`}>{run.workflow}</Link>{' '}
              <time dateTime={run.startedAt} title={exact(run.startedAt, zone === 'utc' ? 'utc' : 'local')}>
                {moment(run.startedAt, zone, now)}
              </time>
              {isPlatform && <small> · {run.scope}</small>}
              <p>{[run.status === 'Failed' ? null : run.status, run.errorType, run.errorMessage?.split('\n')[0]].filter(Boolean).join(': ').slice(0, 200)}</p>
            </div>
          </li>
        ))}
      </ul>
      {scopesLeftOut > 0 && <p className={css.muted}>Scopes with failures that were not looked at: {scopesLeftOut}.</p>}
    </>
  );
}
