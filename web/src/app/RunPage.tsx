import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useState, type ReactNode } from 'react';
import { Link, useSearchParams } from 'wouter';
import {
  Duration,
  exact,
  liveSource,
  LogPanel,
  moment,
  placeToText,
  plain,
  StatusBadge,
  Timeline,
  useNow,
  useOutline,
  viewFromParams,
  viewToParams,
  type Goal,
  type LogView,
  type Place,
} from '../live';
import { api, ApiError, describe, polledSource, type Me, type WholeRun } from './api';
import { Boundary } from './Boundary';
import { CopyText } from './CopyText';
import { useHub, useHubState, useThrottled, useWatch } from './hub';
import css from './RunPage.module.css';
import { RunTabs } from './RunTabs';
import { useSettings } from './settings';

const READ_EVERY = 2_500;

interface Props {
  readonly me: Me;
  readonly scope: string;
  readonly id: string;
}

export function RunPage({ me, scope, id }: Props): ReactNode {
  const answer = useQuery({
    queryKey: ['run', scope, id],
    queryFn: ({ signal }) => api.run(scope, id, signal),
    refetchInterval: ({ state }) => (state.data?.isFinal ? false : READ_EVERY),
  });
  useWatch(scope, id, { onStatus: useThrottled(() => void answer.refetch(), 200) });
  const run = answer.data;
  useEffect(() => {
    document.title = run === undefined ? 'Run · bifrost' : `${run.status} · ${run.workflow} · bifrost`;
  }, [run]);
  if (run === undefined) {
    if (answer.isError) return <Failure error={answer.error} scope={scope} onRetry={() => void answer.refetch()} />;
    return <div className={css.skeleton} role="status" aria-label="Reading the run" />;
  }
  return (
    <>
      {answer.isError && (
        <div className={css.strip} role="status">
          The run could not be read again: {describe(answer.error)} What is shown is as it was last read.
        </div>
      )}
      <Shown me={me} run={run} />
    </>
  );
}

function Failure({ error, scope, onRetry }: { readonly error: unknown; readonly scope: string; readonly onRetry: () => void }): ReactNode {
  const isMissing = error instanceof ApiError && error.status === 404;
  return (
    <div role="alert">
      <h1>{isMissing ? 'There is no such run' : 'The run could not be read'}</h1>
      <p>{isMissing ? 'It was deleted or has expired, its id or organization is another, or you may not see it.' : describe(error)}</p>
      <p>
        <Link href={`/runs/${scope}`}>To the runs</Link>{' '}
        {!isMissing && (
          <button type="button" className={css.button} onClick={onRetry}>
            Retry
          </button>
        )}
      </p>
    </div>
  );
}

function Shown({ me, run }: { readonly me: Me; readonly run: WholeRun }): ReactNode {
  const { scope, id } = run;
  const { zone } = useSettings();
  const [params, setParams] = useSearchParams();
  const view = useMemo(() => viewFromParams(params), [params]);
  const onView = useCallback(
    (change: Partial<LogView>) => setParams((before) => viewToParams({ ...viewFromParams(before), ...change }, before), { replace: true }),
    [setParams],
  );
  const hub = useHub();
  const source = useMemo(() => {
    const base = polledSource(scope, id);
    return hub === null ? base : liveSource(base, hub, scope, id);
  }, [hub, scope, id]);
  const outline = useOutline(source, run.isFinal);
  const [goal, setGoal] = useState<Goal | null>(null);
  const isFailed = run.status === 'Failed' || run.status === 'Timeout' || run.status === 'CompletedWithErrors';
  const linkTo = useCallback(
    (place: Place) => {
      const address = new URL(location.href);
      address.searchParams.set('line', placeToText(place));
      return `${address.pathname}${address.search}`;
    },
    [],
  );
  const downloads = useMemo(() => api.downloads(scope, id), [scope, id]);
  return (
    <div className={css.page}>
      <Header me={me} run={run} />
      {isFailed && (
        <div className={css.band} role="alert">
          <div>
            <b>{plain(run.errorType ?? run.status)}</b>
            {run.errorMessage !== null && <p>{plain(run.errorMessage.slice(0, 4_000))}</p>}
          </div>
          <button type="button" className={css.button} onClick={() => setGoal({ firstError: true })}>
            Go to first error
          </button>
        </div>
      )}
      {!run.isFinal && <Unpushed />}
      <Boundary what="The strip" of={outline}>
        <Timeline outline={outline} zone={zone} onGo={(place) => setGoal({ place })} />
      </Boundary>
      <div className={css.columns}>
        <Boundary what="The log">
          <LogPanel
            source={source}
            outline={outline}
            since={run.startedAt}
            isPending={run.status === 'Pending'}
            isFinal={run.isFinal}
            isFailed={isFailed}
            zone={zone === 'relative' ? 'local' : zone}
            view={view}
            onView={onView}
            downloads={downloads}
            linkTo={linkTo}
            describeError={describe}
            goal={goal}
          />
        </Boundary>
        <RunTabs me={me} run={run} />
      </div>
    </div>
  );
}

/** Says why what is shown may be some seconds old. */
function Unpushed(): ReactNode {
  const hub = useHub();
  if (useHubState().phase !== 'off') return null;
  return (
    <div className={css.strip} role="status">
      Read every 5 s: {hub === null ? 'this console has no hub.' : 'this store tells nothing as it happens, real time is off, or the hub cannot be reached.'}
    </div>
  );
}

function Header({ me, run }: { readonly me: Me; readonly run: WholeRun }): ReactNode {
  const { zone } = useSettings();
  const now = useNow(zone === 'relative');
  return (
    <header className={css.header}>
      <div className={css.title}>
        <h1>{plain(run.workflow)}</h1>
        <StatusBadge status={run.status} />
        <span className={css.actions}>
          {!run.isFinal && <Cancel me={me} run={run} />}
          <CopyText label="Copy link" text={() => location.href} />
        </span>
      </div>
      <dl className={css.facts}>
        <div>
          <dt>Id</dt>
          <dd>
            <code>{run.id}</code> <CopyText label="Copy" text={() => run.id} />
          </dd>
        </div>
        <div>
          <dt>By</dt>
          <dd title={run.by.id}>{plain(run.by.name)}</dd>
        </div>
        <div>
          <dt>Scope</dt>
          <dd>{run.scope}</dd>
        </div>
        <div>
          <dt>Started</dt>
          <dd title={exact(run.startedAt, zone === 'utc' ? 'utc' : 'local')}>{moment(run.startedAt, zone, now)}</dd>
        </div>
        <div>
          <dt>Duration</dt>
          <dd>
            <Duration {...run} />
          </dd>
        </div>
      </dl>
    </header>
  );
}

function Cancel({ me, run }: { readonly me: Me; readonly run: WholeRun }): ReactNode {
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => api.cancel(run.scope, run.id),
    onSettled: () => queries.invalidateQueries({ queryKey: ['run', run.scope, run.id] }),
  });
  const [isAsked, setIsAsked] = useState(false);
  if (run.status === 'Cancelling' || !(me.isAdmin || me.id === run.by.id)) return null;
  return (
    <>
      {cancel.isError && <span role="alert">{describe(cancel.error)}</span>}
      {isAsked ? (
        <>
          <button type="button" className={css.danger} disabled={cancel.isPending} onClick={() => cancel.mutate()}>
            Cancel this run
          </button>
          <button type="button" className={css.button} onClick={() => setIsAsked(false)}>
            Let it run
          </button>
        </>
      ) : (
        <button type="button" className={css.button} onClick={() => setIsAsked(true)}>
          Cancel
        </button>
      )}
    </>
  );
}
