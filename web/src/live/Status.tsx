import type { ReactNode } from 'react';
import css from './Status.module.css';

const WORDS: Readonly<Record<string, string>> = { CompletedWithErrors: 'Completed with errors' };
const LOOKS: Readonly<Record<string, string>> = {
  Pending: 'waiting',
  Running: 'running',
  Cancelling: 'waiting',
  Success: 'success',
  Failed: 'failed',
  Timeout: 'failed',
  CompletedWithErrors: 'warned',
  Cancelled: 'quiet',
};

/** A status as icon and word. */
export function StatusBadge({ status }: { readonly status: string }): ReactNode {
  return (
    <span className={`${css.badge} ${css[LOOKS[status] ?? 'quiet']}`}>
      <StatusIcon status={status} /> {WORDS[status] ?? status}
    </span>
  );
}

export function StatusIcon({ status }: { readonly status: string }): ReactNode {
  const look = LOOKS[status] ?? 'quiet';
  return (
    <svg className={`${css.icon} ${css[look]}`} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      {look === 'running' && (
        <>
          <circle cx="8" cy="8" r="6" opacity="0.3" />
          <path d="M8 2a6 6 0 0 1 6 6" className={css.turning} />
        </>
      )}
      {look === 'waiting' && (
        <>
          <circle cx="8" cy="8" r="6" />
          <path d="M8 5v3l2 1.5" />
        </>
      )}
      {look === 'success' && <path d="M3.5 8.5l3 3 6-7" />}
      {look === 'failed' && <path d="M4 4l8 8M12 4l-8 8" />}
      {look === 'warned' && <path d="M8 2.5L14.5 13.5h-13zM8 6.5v3M8 11.5v.3" />}
      {look === 'quiet' && <path d="M3 8h10" />}
    </svg>
  );
}
