import { useMemo, useState, type ReactNode } from 'react';
import { duration } from '../live';
import type { Dashboard, Figures } from './dashboardApi';
import { percent, whole } from './format';
import css from './Panel.module.css';
import { line } from './scales';
import { sorted, turned, type Column, type Order } from './sorting';
import look from './Workflows.module.css';

const FIRST = 12;
const HEADS: readonly (readonly [Column, string])[] = [
  ['name', 'Workflow'],
  ['runs', 'Runs'],
  ['rate', 'Success'],
  ['p50', 'p50'],
  ['p95', 'p95'],
];

interface Props {
  readonly dashboard: Dashboard;
  readonly order: Order;
  readonly onOrder: (order: Order) => void;
}

/** Each workflow with its figures, sorted by any of them. */
export function Workflows({ dashboard, order, onOrder }: Props): ReactNode {
  const [isWhole, setIsWhole] = useState(false);
  const rows = useMemo(() => sorted(dashboard.workflows, order), [dashboard.workflows, order]);
  const shown = isWhole ? rows : rows.slice(0, FIRST);
  if (rows.length === 0) return <p className={css.muted}>No run ended in this window.</p>;
  return (
    <>
      <div className={css.scroll}>
        <table className={`${css.table} ${look.table}`}>
          <thead>
            <tr>
              {HEADS.map(([column, title]) => (
                <th
                  key={column}
                  scope="col"
                  className={column === 'name' ? undefined : css.number}
                  aria-sort={order.column === column ? (order.isDown ? 'descending' : 'ascending') : undefined}
                >
                  <button type="button" onClick={() => onOrder(turned(order, column))}>
                    {title}
                    <span aria-hidden="true">{order.column === column ? (order.isDown ? ' ↓' : ' ↑') : ''}</span>
                  </button>
                </th>
              ))}
              <th scope="col" className={look.trend}>
                Trend
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={row.name}>
                <td className={css.mono}>{row.name}</td>
                <Numbers figures={row} />
                <td className={look.trend}>
                  <svg width="80" height="22" role="img" aria-label={`Runs by period: ${row.trend.map((runs) => runs ?? '–').join(', ')}`}>
                    <path d={line(row.trend, 78, 18)} transform="translate(1 2)" />
                  </svg>
                </td>
              </tr>
            ))}
            {dashboard.others !== null && (
              <tr>
                <td className={css.muted}>all others</td>
                <Numbers figures={dashboard.others} />
                <td className={look.trend} />
              </tr>
            )}
          </tbody>
        </table>
      </div>
      {rows.length > FIRST && (
        <button type="button" className={`${css.button} ${look.more}`} onClick={() => setIsWhole(!isWhole)} aria-expanded={isWhole}>
          {isWhole ? `The first ${FIRST}` : `All ${rows.length}`}
        </button>
      )}
    </>
  );
}

function Numbers({ figures }: { readonly figures: Figures }): ReactNode {
  const { runs, successRate, p50Ms, p95Ms } = figures;
  return (
    <>
      <td className={css.number}>{whole(runs)}</td>
      <td className={css.number}>
        <span className={look.rate} aria-hidden="true">
          <span style={{ width: `${successRate ?? 0}%` }} />
        </span>
        <span className={look.percent}>{percent(successRate)}</span>
      </td>
      <td className={css.number}>{p50Ms === null ? '–' : duration(p50Ms)}</td>
      <td className={css.number}>{p95Ms === null ? '–' : duration(p95Ms)}</td>
    </>
  );
}
