import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { Redirect, Route, Router, Switch } from 'wouter';
import { api, ApiError, BASE, describe, openSession, whenSessionIsLost, type Me } from './api';
import css from './App.module.css';
import { Frame } from './Frame';
import { HubProvider } from './hub';
import { RunPage } from './RunPage';
import { RunsPage } from './RunsPage';
import { SettingsProvider } from './settings';
import { DashboardPage } from '../pages/DashboardPage';
import { PLATFORM } from '../pages/dashboardApi';
import { FeedPage } from '../pages/FeedPage';
import { MigrationPage } from '../pages/MigrationPage';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (count, error) => count < 2 && error instanceof ApiError && error.isRetryable,
      staleTime: 1_000,
      refetchOnWindowFocus: true,
    },
  },
});

/** The token in the address is exchanged for a cookie, and taken out of the address, before anything else is asked. */
let exchange: Promise<void> | null = null;
function exchangeToken(): Promise<void> {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token !== null) {
    history.replaceState(null, '', location.pathname + location.search);
    exchange = openSession(token);
  }
  return exchange ?? Promise.resolve();
}

export function App(): ReactNode {
  const [session, setSession] = useState<'opening' | 'open' | 'lost'>('opening');
  const [problem, setProblem] = useState('');
  useEffect(() => {
    whenSessionIsLost(() => setSession('lost'));
    const enter = (): void =>
      void exchangeToken().then(
        () => setSession('open'),
        (error: unknown) => {
          setProblem(describe(error));
          setSession('lost');
        },
      );
    enter();
    addEventListener('hashchange', enter);
    return () => removeEventListener('hashchange', enter);
  }, []);
  if (session === 'opening') return null;
  if (session === 'lost') return <Lost problem={problem} />;
  return (
    <QueryClientProvider client={queries}>
      <SettingsProvider>
        <Router base={BASE.replace(/\/$/, '')}>
          <Pages />
        </Router>
      </SettingsProvider>
    </QueryClientProvider>
  );
}

function Pages(): ReactNode {
  const me = useQuery({ queryKey: ['me'], queryFn: ({ signal }) => api.me(signal), staleTime: Infinity });
  if (me.isError) return <Lost heading="The console does not answer" problem={describe(me.error)} onRetry={() => void me.refetch()} />;
  if (me.data === undefined) return null;
  const { data } = me;
  return (
    <HubProvider me={data}>
    <Switch>
      <Route path="/runs/:scope/:id">
        {({ scope, id }) => (
          <Frame me={data} scope={scope}>
            <RunPage key={`${scope} ${id}`} me={data} scope={scope} id={id} />
          </Frame>
        )}
      </Route>
      <Route path="/runs/:scope">
        {({ scope }) => (
          <Frame me={data} scope={scope}>
            <RunsPage key={scope} me={data} scope={scope} />
          </Frame>
        )}
      </Route>
      <Route path="/dashboard/:scope">
        {({ scope }) => {
          const own = scope === PLATFORM ? lastScope(data) : scope;
          return (
            <Frame me={data} scope={own}>
              <DashboardPage key={scope} me={data} scope={scope} own={own} />
            </Frame>
          );
        }}
      </Route>
      {data.isAdmin && (
        <Route path="/migration">
          <Frame me={data} scope={lastScope(data)}>
            <MigrationPage />
          </Frame>
        </Route>
      )}
      {data.isAdmin && (
        <Route path="/feed">
          <Frame me={data} scope={lastScope(data)}>
            <FeedPage />
          </Frame>
        </Route>
      )}
      <Route path="/">
        <Redirect to={`/runs/${lastScope(data)}`} replace />
      </Route>
      <Route>
        <Frame me={data} scope={lastScope(data)}>
          <h1>There is nothing here</h1>
          <p>
            The address names no page of the console. <a href={BASE}>To the runs</a>
          </p>
        </Frame>
      </Route>
    </Switch>
    </HubProvider>
  );
}

function lastScope(me: Me): string {
  return localStorage.getItem('bifrost.scope') ?? me.scope;
}

interface LostProps {
  readonly heading?: string;
  readonly problem: string;
  readonly onRetry?: () => void;
}

function Lost({ heading = 'No session', problem, onRetry }: LostProps): ReactNode {
  return (
    <main className={css.lost}>
      <h1>{heading}</h1>
      {problem !== '' && <p role="alert">{problem}</p>}
      {onRetry === undefined && <p>Open the address that the console printed when it was started. A session lasts 12 hours, and ends with the console.</p>}
      <button type="button" onClick={onRetry ?? (() => location.reload())}>
        {onRetry === undefined ? 'Try again' : 'Retry'}
      </button>
    </main>
  );
}
