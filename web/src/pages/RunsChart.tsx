import { memo, useId, useState, type ReactNode } from 'react';
import type { Zone } from '../live';
import css from './RunsChart.module.css';
import type { Period } from './dashboardApi';
import { periodName, short, whole } from './format';
import { labelled, stacked, ticks } from './scales';
import { useWidth } from './useWidth';

const HEIGHT = 240;
const TOP = 8;
const BOTTOM = 24;
const LEFT = 40;
const PLOT = HEIGHT - TOP - BOTTOM;
const LABEL_WIDTH = 64;

interface Props {
  readonly series: readonly Period[];
  readonly isHour: boolean;
  readonly zone: Zone;
}

/** Runs of each period: successful ones at the bottom, failed ones on top; periods that were not counted are hatched. */
export const RunsChart = memo(function RunsChart({ series, isHour, zone }: Props): ReactNode {
  const [box, width] = useWidth<HTMLDivElement>();
  const [pointed, setPointed] = useState<number | null>(null);
  const hatch = useId();
  const most = Math.max(0, ...series.map((period) => period.runs));
  const steps = ticks(most, 4);
  const top = steps.at(-1)!;
  const column = Math.max(0, (width - LEFT) / Math.max(1, series.length));
  const named = labelled(series.length, Math.floor((width - LEFT) / LABEL_WIDTH));
  const shown = pointed === null ? undefined : series[pointed];
  return (
    <div className={css.chart} ref={box}>
      <p className={css.legend}>
        <span className={css.success}>Success</span>
        <span className={css.other}>Cancelled, other</span>
        <span className={css.failed}>Failed</span>
        <output>{shown === undefined ? '' : told(shown, isHour, zone)}</output>
      </p>
      <svg
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={summary(series, isHour, zone)}
        onPointerMove={(event) => {
          const place = Math.floor((event.clientX - event.currentTarget.getBoundingClientRect().left - LEFT) / column);
          setPointed(place >= 0 && place < series.length ? place : null);
        }}
        onPointerLeave={() => setPointed(null)}
      >
        <defs>
          <pattern id={hatch} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <path d="M0 0V6" className={css.hatch} />
          </pattern>
        </defs>
        {steps.map((step) => (
          <g key={step} transform={`translate(0 ${TOP + PLOT - (step / top) * PLOT})`}>
            <path d={`M${LEFT} .5H${width}`} className={css.grid} />
            <text x={LEFT - 8} dy="4" textAnchor="end">
              {short(step)}
            </text>
          </g>
        ))}
        {series.map((period, index) => {
          const other = period.runs - period.success - period.failed;
          const parts = stacked([period.success, other, period.failed], top, PLOT);
          const gap = column > 12 ? 3 : column > 4 ? 1 : 0;
          return (
            <g key={period.start} transform={`translate(${LEFT + index * column} ${TOP})`} data-period={period.start}>
              {pointed === index && <rect width={column} height={PLOT} className={css.pointed} />}
              {parts.map(({ y, height }, kind) =>
                height === 0 ? null : (
                  <rect key={kind} x={gap / 2} width={Math.max(1, column - gap)} y={y} height={height} className={[css.success, css.other, css.failed][kind]} />
                ),
              )}
              {(period.state === 'incomplete' || period.state === 'absent') && <rect width={column} height={PLOT} fill={`url(#${hatch})`} />}
              {named.has(index) && (
                <text {...(index === series.length - 1 && column < LABEL_WIDTH ? { x: column, textAnchor: 'end' } : { x: column / 2, textAnchor: 'middle' })} y={PLOT + 18}>
                  {periodName(period.start, isHour, zone, 'short')}
                </text>
              )}
            </g>
          );
        })}
      </svg>
    </div>
  );
});

/** What is not known of a period, in words. */
export const STATES: Readonly<Record<Period['state'], string>> = {
  open: 'counted',
  frozen: 'final',
  incomplete: 'incomplete',
  absent: 'not counted',
};

function told(period: Period, isHour: boolean, zone: Zone): string {
  const name = periodName(period.start, isHour, zone, 'long');
  if (period.state === 'absent') return `${name}: not counted`;
  const least = period.state === 'incomplete' ? 'at least ' : '';
  const other = period.runs - period.success - period.failed;
  return `${name}: ${least}${whole(period.runs)} runs, ${whole(period.failed)} failed${other === 0 ? '' : `, ${whole(other)} cancelled or other`}`;
}

function summary(series: readonly Period[], isHour: boolean, zone: Zone): string {
  const first = series[0];
  if (first === undefined) return 'No periods';
  const busiest = series.reduce((most, period) => (period.runs > most.runs ? period : most), first);
  const unit = isHour ? 'hour' : 'day';
  return `Runs by ${unit} since ${periodName(first.start, isHour, zone, 'long')}. Most: ${told(busiest, isHour, zone)}. As a table: “Table”.`;
}
