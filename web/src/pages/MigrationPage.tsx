import { useQuery } from '@tanstack/react-query';
import { useEffect, type ReactNode } from 'react';
import { useSettings } from '../app/settings';
import { exact } from '../live';
import { Command } from './Command';
import { roughly, whole } from './format';
import { JournalCard, ProcessesCard, ProgressBars, RoutesCard, VerificationCard, CountList } from './MigrationCards';
import look from './MigrationPage.module.css';
import { operations, type Migration, type MigrationStatus } from './operationsApi';
import { Panel } from './Panel';
import css from './Panel.module.css';

const TITLES: Readonly<Record<string, string>> = { start: 'Start', backfill: 'Backfill', verify: 'Verify', cutover: 'Cut over', finish: 'Finish' };
const STATES = { done: '✓ done', current: 'next', ahead: 'ahead' };
const PHASES: Readonly<Record<string, string>> = {
  none: 'Nothing is being migrated.',
  starting: 'The second store is being provisioned, and the processes told.',
  started: 'Every write goes to both stores.',
  backfilling: 'What was there before is being carried over.',
  backfilled: 'Everything was carried over; it is to be compared.',
  verified: 'Both stores were compared, and no difference is open.',
  'cut-over': 'The second store answers; the first receives every write too.',
  'rolled-back': 'The first store answers again; the second receives every write too.',
  abandoned: 'The migration was abandoned: the first store is alone again.',
  finished: 'The migration is finished: the second store is alone.',
};

export function MigrationPage(): ReactNode {
  const migration = useQuery({
    queryKey: ['migration'],
    queryFn: ({ signal }) => operations.migration(signal),
    refetchInterval: ({ state }) => (state.data !== undefined && isUnderWay(state.data) ? 5_000 : 15_000),
  });
  useEffect(() => {
    document.title = 'Migration · bifrost';
  }, []);
  return (
    <div className={look.page}>
      <h1>Migration</h1>
      <Panel title="From Table Storage to Cosmos DB" asked={migration} height={200}>
        {(found) => <Standing migration={found} />}
      </Panel>
      {migration.data !== undefined && isStatus(migration.data) && migration.data.routes.length > 0 && <Cards status={migration.data} />}
    </div>
  );
}

function isStatus(migration: Migration): migration is MigrationStatus {
  return migration.isPossible;
}

function isUnderWay(migration: Migration): boolean {
  return isStatus(migration) && (migration.move !== null || (migration.running !== null && migration.running.interruptedSince === null));
}

/** The five steps, and what comes next. */
function Standing({ migration }: { readonly migration: Migration }): ReactNode {
  const { zone } = useSettings();
  const status = isStatus(migration) ? migration : null;
  const since = status?.changedAt ?? null;
  return (
    <>
      {status !== null && (
        <ol className={look.steps}>
          {status.steps.map(({ step, state }) => (
            <li key={step} data-state={state} aria-current={state === 'current' ? 'step' : undefined}>
              <b>{TITLES[step] ?? step}</b>
              <span>{state === 'current' && status.running?.step === step ? 'under way' : STATES[state]}</span>
            </li>
          ))}
        </ol>
      )}
      <p className={look.phase}>
        {PHASES[migration.phase] ?? migration.phase}
        {since !== null && migration.phase !== 'none' && ` Since ${exact(since, zone === 'utc' ? 'utc' : 'local')}.`}
        {status === null && ' The settings name one store; a migration needs both accounts.'}
      </p>
      {status?.daysLeft != null && (
        <p className={look.phase}>
          <b>{status.daysLeft === 1 ? '1 day' : `${status.daysLeft} days`} left</b> in which rolling back is promised.
        </p>
      )}
      {migration.next.map(({ text, command }) => (
        <div key={`${text} ${command}`} className={look.next}>
          {text === '' ? 'Next:' : command === null ? `Next: ${text}.` : `${text.charAt(0).toUpperCase()}${text.slice(1)}:`}
          {command !== null && <Command text={command} />}
        </div>
      ))}
    </>
  );
}

function Cards({ status }: { readonly status: MigrationStatus }): ReactNode {
  const { zone } = useSettings();
  const told = { data: status, error: null, refetch: () => undefined };
  const time = (at: string): string => exact(at, zone === 'utc' ? 'utc' : 'local');
  const backfills = status.progress.filter(({ name }) => name === 'backfill');
  const verifies = status.progress.filter(({ name }) => name.startsWith('verify'));
  const { running, commands } = status;
  const runs = (step: string): ReactNode =>
    running?.step === step && (
      <p className={css.muted}>
        {running.interruptedSince === null
          ? `Running since ${time(running.beganAt)}, by ${running.runner}.`
          : `Interrupted since ${time(running.interruptedSince)}, was run by ${running.runner}.`}
      </p>
    );
  return (
    <div className={look.cards}>
      <Panel title="Routes" asked={told} height={160}>
        {() => <RoutesCard status={status} />}
      </Panel>
      <Panel title="Backfill" asked={told} height={160}>
        {() => (
          <>
            {runs('backfill')}
            <ProgressBars progress={backfills} />
            {status.backfill === null ? (
              backfills.length === 0 && <p className={css.muted}>Not run to its end yet.</p>
            ) : (
              <>
                <CountList counts={status.backfill.counts} />
                <p className={css.muted}>Ended {time(status.backfill.endedAt)}.</p>
              </>
            )}
            {commands.backfill !== undefined && <Command text={commands.backfill} />}
          </>
        )}
      </Panel>
      <Panel title="Verification" asked={told} height={160}>
        {() => (
          <>
            {runs('verify')}
            <ProgressBars progress={verifies} />
            <VerificationCard found={status.verification} time={time} />
            {commands.verification !== undefined && <Command text={commands.verification} />}
          </>
        )}
      </Panel>
      <Panel title="Journal" asked={told} height={160}>
        {() => (
          <>
            <JournalCard stores={status.stores} age={(at) => roughly((Date.parse(status.now) - Date.parse(at)) / 1000)} />
            {commands.journal !== undefined && <Command text={commands.journal} />}
          </>
        )}
      </Panel>
      <Panel title={`Processes (${whole(status.stores.reduce((sum, { processes }) => sum + processes.length, 0))})`} asked={told} height={120}>
        {() => <ProcessesCard stores={status.stores} />}
      </Panel>
    </div>
  );
}
