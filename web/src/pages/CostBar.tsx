import type { ReactNode } from 'react';
import look from './FeedPage.module.css';
import { dollars } from './format';
import type { Shares } from './operationsApi';
import { useWidth } from './useWidth';

const PARTS: readonly (readonly [keyof Shares, string, string | undefined])[] = [
  ['writes', 'Writes', look.writes],
  ['feed', 'Feed', look.feedShare],
  ['reads', 'Reads', look.reads],
  ['storage', 'Storage', look.storage],
  ['signalr', 'SignalR messages', look.signalr],
];
const HEIGHT = 16;
/** Pixels that the mark's label needs beside it. */
const LABEL = 64;

interface Props {
  readonly dollars: number;
  readonly shares: Shares;
  /** More is worth a warning. */
  readonly alert: number;
  readonly label: string;
}

/** What is paid for, as one bar against what a month may cost. */
export function CostBar({ dollars: total, shares, alert, label }: Props): ReactNode {
  const [box, width] = useWidth<HTMLDivElement>();
  const most = Math.max(alert * 1.1, total);
  const mark = (alert / most) * width;
  const isAbove = total > alert;
  let left = 0;
  return (
    <>
      <p className={look.total}>
        <span className={isAbove ? look.above : undefined}>{dollars(total)}</span>{' '}
        <small>
          {isAbove ? 'above' : 'of'} the {dollars(alert)} that a month may cost
        </small>
      </p>
      <div className={look.bar} ref={box}>
        <svg width={width} height="36" role="img" aria-label={`${label}: ${dollars(total)}, ${isAbove ? 'above' : 'below'} the mark of ${dollars(alert)}`}>
          {PARTS.map(([name, , shade]) => {
            const size = ((shares[name] ?? 0) / most) * width;
            const x = left;
            left += size;
            return size > 0 ? <rect key={name} x={x} y="0" width={Math.max(1, size)} height={HEIGHT} className={shade} /> : null;
          })}
          <line x1={mark} x2={mark} y1="0" y2="22" />
          <text x={Math.min(mark, width - LABEL / 2)} y="34" textAnchor="middle">
            {dollars(alert)}
          </text>
        </svg>
      </div>
      <dl className={look.shares}>
        {PARTS.filter(([name]) => shares[name] !== undefined).map(([name, title, shade]) => (
          <div key={name}>
            <span className={`${look.swatch} ${shade}`} aria-hidden="true" />
            <dt>{title}</dt>
            <dd>{dollars(shares[name] ?? 0)}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
