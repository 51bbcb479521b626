import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { CostBar } from './CostBar';
import { Command } from './Command';
import { FeedTable } from './FeedTable';
import look from './FeedPage.module.css';
import { dollars, roughly, whole } from './format';
import { operations, type MonthCost, type ProcessCost } from './operationsApi';
import { Panel } from './Panel';
import css from './Panel.module.css';

const READ_EVERY = 10_000;
const MONTH_SECONDS = 30 * 86_400;
const FROM: Readonly<Record<MonthCost['runsFrom'], string>> = {
  asked: '',
  counted: ', as many as the last 30 days had',
  assumed: ', assumed as none were counted',
};

export function FeedPage(): ReactNode {
  const feeds = useQuery({ queryKey: ['feeds'], queryFn: ({ signal }) => operations.feeds(signal), refetchInterval: READ_EVERY });
  const ours = useQuery({ queryKey: ['cost', 'process'], queryFn: ({ signal }) => operations.processCost(signal), refetchInterval: READ_EVERY });
  const [runs, setRuns] = useState<number | null>(null);
  const month = useQuery({
    queryKey: ['cost', 'month', runs],
    queryFn: ({ signal }) => operations.monthCost(runs, signal),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    refetchInterval: ({ state }) => (state.data?.isMeasured === false ? 1_000 : false),
  });
  const measured = month.data?.isMeasured === true ? month.data : undefined;
  useEffect(() => {
    document.title = 'Feed and cost · bifrost';
  }, []);
  return (
    <div className={look.page}>
      <h1>Feed and cost</h1>
      <Panel title="Feed" asked={feeds} height={160}>
        {(found) => <FeedTable feeds={found} />}
      </Panel>
      <Panel title="A month on Cosmos DB" asked={month} height={200} aside={<Runs shown={measured?.runs} onSet={setRuns} />}>
        {(found) =>
          found.isMeasured ? (
            <Month cost={found} />
          ) : (
            <p className={css.muted} role="status">
              What calls are charged is being measured on an emulator, once; that takes some seconds.
            </p>
          )
        }
      </Panel>
      <Panel title="This process" asked={ours} height={160}>
        {(found) => <Ours cost={found} />}
      </Panel>
    </div>
  );
}

function Runs({ shown, onSet }: { readonly shown: number | undefined; readonly onSet: (runs: number) => void }): ReactNode {
  const [text, setText] = useState<string | null>(null);
  const set = (): void => {
    const runs = Number(text);
    if (text !== null && Number.isInteger(runs) && runs >= 1 && runs <= 100_000_000) onSet(runs);
    else setText(null);
  };
  return (
    <form
      className={look.runs}
      onSubmit={(event) => {
        event.preventDefault();
        set();
      }}
    >
      <label>
        Runs a month <input type="number" min="1" max="100000000" value={text ?? shown ?? ''} onChange={(event) => setText(event.target.value)} onBlur={set} />
      </label>
    </form>
  );
}

function Month({ cost }: { readonly cost: MonthCost }): ReactNode {
  return (
    <>
      <CostBar dollars={cost.dollars} shares={cost.shares} alert={cost.alertDollars} label="A month" />
      <p className={css.muted}>
        {whole(cost.runs)} runs{FROM[cost.runsFrom]}, each kept for {whole(Math.round(cost.retentionDays))} days; {whole(Math.round(cost.messages))} SignalR
        messages. Measured on {cost.measuredOn}
        {cost.isModel ? ', whose charges follow a documented model: this is no bill' : ''}. Calls for each run, and prices, are those of:
      </p>
      <Command text={cost.command} />
    </>
  );
}

function Ours({ cost }: { readonly cost: ProcessCost }): ReactNode {
  const since = `${whole(cost.calls)} calls in the ${roughly(cost.seconds)} since it started`;
  if (!cost.isPriced) return <p className={css.muted}>{since}, none of them to Cosmos DB: elsewhere calls have no price.</p>;
  const factor = MONTH_SECONDS / Math.max(1, cost.seconds);
  const paced = Object.fromEntries(Object.entries(cost.shares).map(([name, value]) => [name, value * factor]));
  return (
    <>
      <p className={css.muted}>
        {since}: {whole(Math.round(cost.requestUnits))} request units, {dollars(cost.dollars)}. At this pace a month costs:
      </p>
      <CostBar dollars={cost.dollars * factor} shares={paced} alert={cost.alertDollars} label="A month at this pace" />
      <p className={css.muted}>This console has a hub of its own: what it tells pages costs no SignalR messages.</p>
    </>
  );
}
