import type { ReactNode } from 'react';
import { CopyText } from '../app/CopyText';
import css from './Panel.module.css';

/** What an operator types, to be copied. */
export function Command({ text }: { readonly text: string }): ReactNode {
  return (
    <p className={css.command}>
      <code>{text}</code>
      <CopyText label="Copy" text={() => text} />
    </p>
  );
}
