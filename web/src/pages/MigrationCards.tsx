import type { ReactNode } from 'react';
import { Command } from './Command';
import { roughly, whole } from './format';
import look from './MigrationPage.module.css';
import type { Counts, MigrationStatus, Progress, StoreStatus, Verification } from './operationsApi';
import css from './Panel.module.css';

/** Which store answers for which scope. */
export function RoutesCard({ status }: { readonly status: MigrationStatus }): ReactNode {
  return (
    <>
      {status.move !== null && (
        <p className={look.warning}>
          ! A hand-over is under way: {status.move.kind}, {status.move.stage}.
        </p>
      )}
      <div className={css.scroll}>
        <table className={css.table}>
          <thead>
            <tr>
              <th scope="col">Scope</th>
              <th scope="col">Answers</th>
              <th scope="col">Receives writes too</th>
            </tr>
          </thead>
          <tbody>
            {status.routes.map(({ scope, primary, secondary }) => (
              <tr key={scope ?? ''}>
                <td>{scope ?? (status.routes.length === 1 ? 'every scope' : 'every other scope')}</td>
                <td>{primary}</td>
                <td>{secondary ?? 'none'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {status.commands.routes !== undefined && <Command text={status.commands.routes} />}
    </>
  );
}

export function ProgressBars({ progress }: { readonly progress: readonly Progress[] }): ReactNode {
  return progress.map(({ name, done, total, rate, secondsLeft }) => (
    <div key={name} className={look.progress}>
      {total !== null && <progress value={Math.min(done, total)} max={Math.max(1, total)} aria-label={name} />}
      <span>
        {name}: {whole(done)}
        {total === null ? ' records' : ` of about ${whole(total)} records`}, {whole(Math.round(rate))} a second
        {secondsLeft !== null && `, ${roughly(secondsLeft)} left`}
      </span>
    </div>
  ));
}

export function CountList({ counts }: { readonly counts: Counts }): ReactNode {
  return (
    <dl className={look.counts}>
      {Object.entries(counts).map(([name, count]) => (
        <div key={name}>
          <dt>{name.replaceAll('_', ' ')}</dt>
          <dd>{whole(count)}</dd>
        </div>
      ))}
    </dl>
  );
}

interface VerificationProps {
  readonly found: Verification | null;
  readonly time: (at: string) => string;
}

export function VerificationCard({ found, time }: VerificationProps): ReactNode {
  if (found === null) return <p className={css.muted}>The stores were not compared yet.</p>;
  return (
    <>
      {found.open === 0 ? (
        <p className={look.good}>✓ 0 differences</p>
      ) : (
        <p className={look.bad}>✕ {found.open === 1 ? '1 difference is' : `${whole(found.open)} differences are`} open</p>
      )}
      {found.kinds.length > 0 && (
        <ul className={look.kinds}>
          {found.kinds.map(({ kind, counts }) => (
            <li key={kind}>
              <b>{kind}</b>:{' '}
              {Object.entries(counts)
                .map(([name, count]) => `${whole(count)} ${name.replaceAll('_', ' ')}`)
                .join(', ')}
            </li>
          ))}
        </ul>
      )}
      <p className={css.muted}>
        {whole(found.counts['same'] ?? 0)} records are the same; from {time(found.beganAt)} to {time(found.endedAt)}.
      </p>
    </>
  );
}

interface JournalProps {
  readonly stores: readonly StoreStatus[];
  readonly age: (at: string) => string;
}

/** What one store may lack of the other, and what no repetition helps. */
export function JournalCard({ stores, age }: JournalProps): ReactNode {
  return (
    <ul className={look.kinds}>
      {stores.map(({ name, problem, isNeeded, journal, oldestEntry, stuck }) => (
        <li key={name}>
          <b>{name}</b>:{' '}
          {problem === null ? (
            <>
              {journal === 0 ? 'empty' : `${journal === 1 ? '1 entry' : `${whole(journal ?? 0)} entries`}`}
              {oldestEntry !== null && `, the oldest of ${age(oldestEntry)} ago`}
            </>
          ) : (
            <span className={isNeeded ? look.bad : undefined}>
              {isNeeded ? '✕ ' : ''}
              {problem}
              {isNeeded ? '' : '; nothing needs it now'}
            </span>
          )}
          {stuck.map(({ entry, reason }) => (
            <div key={entry} className={look.bad}>
              ✕ {entry}: {reason}
            </div>
          ))}
        </li>
      ))}
    </ul>
  );
}

export function ProcessesCard({ stores }: { readonly stores: readonly StoreStatus[] }): ReactNode {
  const all = stores.flatMap(({ name, processes }) => processes.map((process) => ({ name, ...process })));
  if (all.length === 0) return <p className={css.muted}>No process holds a lease.</p>;
  return (
    <div className={css.scroll}>
      <table className={css.table}>
        <thead>
          <tr>
            <th scope="col">Process</th>
            <th scope="col">Store</th>
            <th scope="col">State</th>
            <th scope="col">Flag</th>
          </tr>
        </thead>
        <tbody>
          {all.map(({ name, process, state, flag, problem }) => (
            <tr key={`${name} ${process}`}>
              <td>
                {process}
                {problem !== null && <div className={look.bad}>✕ in trouble: {problem}</div>}
              </td>
              <td>{name}</td>
              <td className={state === 'live' ? undefined : look.warning}>{state === 'live' ? '✓ live' : `! ${state}`}</td>
              <td>{flag ?? '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
