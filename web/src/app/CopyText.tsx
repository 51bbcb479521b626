import { useState, type ReactNode } from 'react';
import css from './RunPage.module.css';

export function CopyText({ label, text }: { readonly label: string; readonly text: () => string }): ReactNode {
  const [isDone, setIsDone] = useState(false);
  const copy = (): void => {
    void navigator.clipboard.writeText(text()).then(() => {
      setIsDone(true);
      setTimeout(() => setIsDone(false), 1_500);
    });
  };
  return (
    <button type="button" className={css.button} onClick={copy}>
      {isDone ? 'Copied' : label}
    </button>
  );
}
