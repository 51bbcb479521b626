import type { ReactNode } from 'react';
import type { Zone } from '../live';
import type { Period } from './dashboardApi';
import { periodName, whole } from './format';
import css from './Panel.module.css';
import { STATES } from './RunsChart';

interface Props {
  readonly series: readonly Period[];
  readonly isHour: boolean;
  readonly zone: Zone;
}

/** What the chart shows, as a table, the newest first. */
export function PeriodTable({ series, isHour, zone }: Props): ReactNode {
  return (
    <div className={css.scroll}>
      <table className={css.table}>
        <thead>
          <tr>
            <th scope="col">{isHour ? 'Hour' : 'Day, in UTC'}</th>
            {['Runs', 'Success', 'Failed', 'Other'].map((name) => (
              <th key={name} scope="col" className={css.number}>
                {name}
              </th>
            ))}
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {series.toReversed().map((period) => (
            <tr key={period.start}>
              <td>{periodName(period.start, isHour, zone, 'long')}</td>
              {[period.runs, period.success, period.failed, period.runs - period.success - period.failed].map((value, index) => (
                <td key={index} className={css.number}>
                  {period.state === 'absent' ? '–' : `${period.state === 'incomplete' ? '≥ ' : ''}${whole(value)}`}
                </td>
              ))}
              <td>{STATES[period.state]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
