import { useEffect, useReducer, type ReactNode } from 'react';
import { useSettings } from '../app/settings';
import { exact, useNow } from '../live';
import { Command } from './Command';
import look from './FeedPage.module.css';
import { roughly, whole } from './format';
import { LagHistory } from './lagHistory';
import type { FeedRange, Feeds, Processor } from './operationsApi';
import css from './Panel.module.css';
import { line } from './scales';

const history = new LagHistory();

/** Each range of each processor: who follows it, how far behind, and what it is held for. */
export function FeedTable({ feeds }: { readonly feeds: Feeds }): ReactNode {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    history.note(feeds);
    redraw();
  }, [feeds]);
  const all = feeds.stores.flatMap(({ store, processors }) => processors.map((processor) => ({ store, processor })));
  const rows = all.flatMap(({ store, processor }) => processor.ranges.map((range) => ({ store, processor, range })));
  const lost = all.filter(({ processor }) => processor.deadLetters > 0);
  return (
    <>
      {feeds.stores.map(({ store, problem }) =>
        problem === null ? null : (
          <p key={store} role="alert" className={look.stuck}>
            {store}: {problem}
          </p>
        ),
      )}
      {feeds.stores.length === 0 && <p className={css.muted}>Table Storage, where the data is, has no change feed.</p>}
      {feeds.stores.length > 0 && rows.length === 0 && feeds.stores.every(({ problem }) => problem === null) && (
        <>
          <p className={css.muted}>Nobody has followed a feed by a processor yet. This one keeps the figures of dashboards right:</p>
          <Command text="bifrost-store feed run metrics" />
        </>
      )}
      {rows.length > 0 && (
        <div className={css.scroll}>
          <table className={`${css.table} ${look.feeds}`}>
            <thead>
              <tr>
                {['Processor', 'Range', 'Followed by'].map((name) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
                <th scope="col" className={css.number}>
                  Lag, and of the last 30 minutes
                </th>
                <th scope="col">Position moved</th>
                <th scope="col">State</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ store, processor, range }) => (
                <Row key={`${store} ${processor.name} ${range.range}`} store={store} processor={processor} range={range} now={feeds.now} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {lost.map(({ store, processor }) => (
        <div key={`${store} ${processor.name}`} className={look.letters}>
          <b>{processor.name}</b> went past {processor.deadLetters === 1 ? 'one item' : `${whole(processor.deadLetters)} items`} that its handler could not
          take (dead letters):
          {processor.deadLettersCommand !== null && <Command text={processor.deadLettersCommand} />}
        </div>
      ))}
    </>
  );
}

interface RowProps {
  readonly store: string;
  readonly processor: Processor;
  readonly range: FeedRange;
  readonly now: string;
}

function Row({ store, processor, range, now }: RowProps): ReactNode {
  const lags = history.of(store, processor.name, range.range);
  return (
    <tr>
      <td className={css.mono}>
        {processor.name}
        <div className={look.feed}>
          {processor.feed} of {store}
        </div>
      </td>
      <td data-label="Range">{processor.ranges.length === 1 ? 'all' : range.range}</td>
      <td data-label="Followed by">{range.owner ?? 'nobody'}</td>
      <td data-label="Lag" className={css.number}>
        <span className={look.lag}>
          {whole(range.lagItems)} {range.lagItems === 1 ? 'item' : 'items'}
          {range.lagItems > 0 && ` · ${roughly(range.lagSeconds)}`}
          <svg width="80" height="22" role="img" aria-label={`Since this page was opened at most ${whole(Math.max(0, ...lags))} items waited`}>
            {lags.length > 1 && <path d={line(lags, 78, 18)} transform="translate(1 2)" />}
          </svg>
        </span>
      </td>
      <td data-label="Position moved">{range.movedAt === null ? 'never' : <Ago at={range.movedAt} now={now} />}</td>
      <td data-label="State">
        <State range={range} />
      </td>
    </tr>
  );
}

function Ago({ at, now }: { readonly at: string; readonly now: string }): ReactNode {
  const { zone } = useSettings();
  useNow(true);
  return (
    <time dateTime={at} title={exact(at, zone === 'utc' ? 'utc' : 'local')}>
      {roughly((Date.parse(now) - Date.parse(at)) / 1000)} ago
    </time>
  );
}

function State({ range }: { readonly range: FeedRange }): ReactNode {
  const { zone } = useSettings();
  const times = `${range.problem}, ${range.failures === 1 ? 'once' : `${range.failures} times`}`;
  if (range.stuckSince !== null) {
    return (
      <span className={look.stuck}>
        ✕ stuck since {exact(range.stuckSince, zone === 'utc' ? 'utc' : 'local')}: {times}
      </span>
    );
  }
  if (range.problem !== null) return <span className={look.held}>! held: {times}</span>;
  return range.owner === null ? <span className={look.held}>! nobody follows</span> : '✓ follows';
}
