import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { Link, useSearchParams } from 'wouter';
import { api, type Me } from '../app/api';
import { useSettings } from '../app/settings';
import { exact, useNow } from '../live';
import { Command } from './Command';
import { PLATFORM, readDashboard, readFailures, windowIn, WINDOWS, type Dashboard, type PlatformFailures, type Window } from './dashboardApi';
import look from './DashboardPage.module.css';
import { Failures } from './Failures';
import { FigureCards } from './FigureCards';
import { roughly } from './format';
import { Failure, Panel, Skeleton } from './Panel';
import css from './Panel.module.css';
import { PeriodTable } from './PeriodTable';
import { RunsChart } from './RunsChart';
import { orderIn, orderToText } from './sorting';
import { Workflows } from './Workflows';

const FAILED = 'Failed,Timeout,CompletedWithErrors';
const DAYS: Readonly<Record<Window, number>> = { '24h': 1, '7d': 7, '30d': 30, '90d': 90 };
/** Milliseconds: what was counted before costs little to read; counting costs more the more runs there are. */
const READ_EVERY = { aggregated: 30_000, live: 300_000 };

interface Props {
  readonly me: Me;
  /** Whose runs, or `platform`. */
  readonly scope: string;
  /** The scope that was looked at last. */
  readonly own: string;
}

export function DashboardPage({ me, scope, own }: Props): ReactNode {
  const [params, setParams] = useSearchParams();
  const window = windowIn(params.get('window'));
  const order = orderIn(params.get('sort'));
  const set = (name: string, value: string | null): void =>
    setParams((before) => {
      const next = new URLSearchParams(before);
      if (value === null) next.delete(name);
      else next.set(name, value);
      return next;
    });
  const dashboard = useQuery({
    queryKey: ['dashboard', scope, window],
    queryFn: ({ signal }) => readDashboard(scope, window, signal),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => READ_EVERY[query.state.data?.source ?? 'aggregated'],
    staleTime: 10_000,
  });
  useEffect(() => {
    document.title = 'Dashboard · bifrost';
  }, []);
  const { data } = dashboard;
  return (
    <>
      <header className={look.header}>
        <h1>Dashboard</h1>
        {me.isAdmin && <Whose scope={scope} own={own} search={params.toString()} />}
        <div className={look.segments} role="group" aria-label="Window">
          {(Object.keys(WINDOWS) as Window[]).map((one) => (
            <button key={one} type="button" aria-pressed={one === window} onClick={() => set('window', one === '7d' ? null : one)}>
              {WINDOWS[one]}
            </button>
          ))}
        </div>
        <span className={look.source}>{data !== undefined && <Source dashboard={data} />}</span>
      </header>
      <Failure asked={dashboard} what="The figures" />
      {data === undefined ? (
        dashboard.error === null && <Waiting />
      ) : (
        <div aria-busy={dashboard.isPlaceholderData}>
          <NotExact dashboard={data} isAdmin={me.isAdmin} />
          <FigureCards dashboard={data} />
          <Chart dashboard={data} />
        </div>
      )}
      <div className={look.columns}>
        {(data !== undefined || dashboard.error === null) && (
          <Panel title="Workflows" asked={{ data, error: null, refetch: dashboard.refetch }} height={320}>
            {(found) => <Workflows dashboard={found} order={order} onOrder={(next) => set('sort', orderToText(next))} />}
          </Panel>
        )}
        <LatestFailures scope={scope} window={window} />
      </div>
    </>
  );
}

function Waiting(): ReactNode {
  return (
    <>
      <div className={look.figures}>
        {['Runs', 'Success rate', 'Failed', 'p95 duration'].map((name) => (
          <Skeleton key={name} height={104} what={name} />
        ))}
      </div>
      <Skeleton height={348} what="Runs by day" />
    </>
  );
}

function Whose({ scope, own, search }: { readonly scope: string; readonly own: string; readonly search: string }): ReactNode {
  const rest = search === '' ? '' : `?${search}`;
  return (
    <nav className={look.segments} aria-label="Whose runs">
      <Link href={`/dashboard/${own}${rest}`} aria-current={scope === PLATFORM ? undefined : 'page'}>
        This scope
      </Link>
      <Link href={`/dashboard/${PLATFORM}${rest}`} aria-current={scope === PLATFORM ? 'page' : undefined}>
        Whole platform
      </Link>
    </nav>
  );
}

/** Where the figures come from, and how fresh they are. */
function Source({ dashboard }: { readonly dashboard: Dashboard }): ReactNode {
  const { zone } = useSettings();
  const now = useNow(true);
  const { asOf, behindSeconds, source } = dashboard;
  const ago = asOf === null ? null : `counted ${roughly((now - Date.parse(asOf)) / 1000)} ago`;
  const age = behindSeconds === null ? ago : behindSeconds > 0 ? `${roughly(behindSeconds)} behind` : 'follows within seconds';
  const when = asOf === null ? 'Never counted' : `Counted last ${exact(asOf, zone === 'utc' ? 'utc' : 'local')}`;
  return <span title={`${when}. Days begin and end in UTC.`}>{[source, age, 'UTC days'].filter(Boolean).join(' · ')}</span>;
}

/** What is not known is said before the figures that lack it. */
function NotExact({ dashboard, isAdmin }: { readonly dashboard: Dashboard; readonly isAdmin: boolean }): ReactNode {
  if (dashboard.isExact) return null;
  const unit = dashboard.window === '24h' ? 'hours' : 'days';
  const count = (state: string): number => dashboard.series.filter((period) => period.state === state).length;
  const absent = count('absent');
  const incomplete = count('incomplete');
  const all = dashboard.series.length;
  const told = [
    absent === all && `None of these ${all} ${unit} was counted`,
    absent > 0 && absent < all && `${absent} of ${all} ${unit} ${absent === 1 ? 'was' : 'were'} not counted`,
    incomplete > 0 && `${incomplete} of ${all} ${unit} ${incomplete === 1 ? 'is' : 'are'} incomplete: not counted while all runs were there`,
  ];
  return (
    <div className={look.strip} role="status">
      {told.filter(Boolean).join('; ')}. The figures are not exact.
      {isAdmin && absent > 0 && dashboard.source === 'aggregated' && (
        <>
          {' '}
          What is still kept is counted by this: <Command text="bifrost-store metrics rebuild" />
        </>
      )}
    </div>
  );
}

function Chart({ dashboard }: { readonly dashboard: Dashboard }): ReactNode {
  const { zone } = useSettings();
  const [isTable, setIsTable] = useState(false);
  const isHour = dashboard.window === '24h';
  const toggle = (
    <button type="button" className={css.button} aria-pressed={isTable} onClick={() => setIsTable(!isTable)}>
      Table
    </button>
  );
  const shown = { series: dashboard.series, isHour, zone };
  return (
    <Panel title={isHour ? 'Runs by hour' : 'Runs by day, in UTC'} aside={toggle} asked={{ data: dashboard, error: null, refetch: () => undefined }} height={268}>
      {() => (isTable ? <PeriodTable {...shown} /> : <RunsChart {...shown} />)}
    </Panel>
  );
}

function LatestFailures({ scope, window }: { readonly scope: string; readonly window: Window }): ReactNode {
  const { zone } = useSettings();
  const failures = useQuery({
    queryKey: ['failures', scope, window],
    queryFn: async ({ signal }): Promise<PlatformFailures> => {
      if (scope === PLATFORM) return readFailures(window, signal);
      const since = new Date(Date.now() - DAYS[window] * 86_400_000).toISOString();
      const { runs } = await api.runs(scope, { status: FAILED, since, limit: '8' }, signal);
      return { runs, scopesLeftOut: 0 };
    },
    placeholderData: keepPreviousData,
    refetchInterval: READ_EVERY.aggregated,
  });
  return (
    <Panel title="Latest failures" asked={failures} height={320}>
      {(found) => <Failures found={found} window={WINDOWS[window]} zone={zone} isPlatform={scope === PLATFORM} />}
    </Panel>
  );
}
