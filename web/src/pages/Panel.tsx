import { useId, type ReactNode } from 'react';
import { describe } from '../app/api';
import css from './Panel.module.css';

interface Asked<T> {
  readonly data: T | undefined;
  readonly error: Error | null;
  readonly refetch: () => unknown;
}

interface Props<T> {
  readonly title: string;
  readonly aside?: ReactNode;
  /** What is shown; of what failed the rest of the page knows nothing. */
  readonly asked: Asked<T>;
  /** Of the skeleton, in pixels: that of what will be there. */
  readonly height: number;
  readonly children: (data: T) => ReactNode;
}

/** A part of a page that is read, and fails, by itself; what was read before stays while it is read again. */
export function Panel<T>({ title, aside, asked, height, children }: Props<T>): ReactNode {
  const id = useId();
  return (
    <section className={css.panel} aria-labelledby={id}>
      <header className={css.header}>
        <h2 id={id}>{title}</h2>
        {aside}
      </header>
      <Failure asked={asked} what={title} />
      {asked.data !== undefined ? children(asked.data) : asked.error === null && <Skeleton height={height} what={title} />}
    </section>
  );
}

export function Failure<T>({ asked, what }: { readonly asked: Asked<T>; readonly what: string }): ReactNode {
  if (asked.error === null) return null;
  return (
    <div className={css.failure} role="alert">
      <span>
        {what} could not be read: {describe(asked.error)} {asked.data === undefined ? 'The rest of the console works.' : 'What is shown was read before.'}
      </span>
      <button type="button" onClick={() => void asked.refetch()}>
        Retry
      </button>
    </div>
  );
}

export function Skeleton({ height, what }: { readonly height: number; readonly what: string }): ReactNode {
  return <div className={css.skeleton} style={{ height }} role="status" aria-label={`Reading: ${what}`} />;
}
