import { memo, useState, type ReactNode } from 'react';
import { JsonTree } from './JsonTree';
import css from './LogRow.module.css';
import { placeToText } from './logView';
import { lastState, parse } from './text';
import { clock, exact, offset, type Zone } from './time';
import { folded } from './traceback';
import { keyOf, type LogLine } from './types';

const LONGEST = 2_000;

export type TimeColumn = 'clock' | 'offset' | 'off';

interface Props {
  readonly line: LogLine;
  readonly zone: Zone;
  readonly times: TimeColumn;
  readonly since: string;
  readonly isWrapped: boolean;
  /** Another recording begins here. */
  readonly isFirstOfRecording: boolean;
  /** Found by the search: `here` is the one that was gone to. */
  readonly match?: 'found' | 'here' | undefined;
  readonly isLinked: boolean;
  readonly query: string;
  readonly link: string;
  readonly onLink: (line: LogLine) => void;
}

export const LogRow = memo(function LogRow(props: Props): ReactNode {
  const { line, zone, times, since, isWrapped, isFirstOfRecording, match, isLinked, query } = props;
  const classes = [css.row, css[line.level], isWrapped ? css.wrapped : '', match ? css[match] : '', isLinked ? css.linked : ''];
  return (
    <div className={classes.join(' ')} data-line={keyOf(line)} data-place={placeToText(line)}>
      {isFirstOfRecording && <div className={css.rule}>recording {line.recording + 1}</div>}
      <div className={css.cells}>
        {times !== 'off' && (
          <time className={css.time} dateTime={line.timestamp} title={exact(line.timestamp, zone)}>
            {times === 'clock' ? clock(line.timestamp, zone) : offset(line.timestamp, since)}
          </time>
        )}
        <span className={css.level}>{line.level.toUpperCase()}</span>
        <div className={css.content}>
          <Message text={line.message} query={query} />
          {line.data !== undefined && <Data value={line.data} />}
          {line.traceback !== undefined && <Traceback text={line.traceback} query={query} />}
        </div>
        <span className={css.actions}>
          <a
            href={props.link}
            title="Link to this line"
            aria-label={`Link to line ${line.number}`}
            onClick={(event) => {
              event.preventDefault();
              props.onLink(line);
            }}
          >
            #
          </a>
          <CopyButton text={line.message} />
        </span>
      </div>
    </div>
  );
});

function Message({ text, query }: { readonly text: string; readonly query: string }): ReactNode {
  const [isWhole, setIsWhole] = useState(false);
  const state = lastState(text);
  const isLong = state.length > LONGEST && !isWhole;
  return (
    <>
      <span className={css.message}>
        <Text text={isLong ? cut(state) : state} query={query} />
      </span>
      {isLong && (
        <div>
          <button type="button" className={css.all} onClick={() => setIsWhole(true)}>
            Show all {state.length.toLocaleString('en')} characters
          </button>
        </div>
      )}
    </>
  );
}

function Text({ text, query }: { readonly text: string; readonly query: string }): ReactNode {
  return parse(text).map((span, index) =>
    span.styles.length === 0 ? (
      <Marked key={index} text={span.text} query={query} />
    ) : (
      <span key={index} className={span.styles.map((style) => css[style]).join(' ')}>
        <Marked text={span.text} query={query} />
      </span>
    ),
  );
}

function Marked({ text, query }: { readonly text: string; readonly query: string }): ReactNode {
  if (query === '') return text;
  const parts: ReactNode[] = [];
  const lower = text.toLowerCase();
  const wanted = query.toLowerCase();
  if (lower.length !== text.length) return text;
  let end = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, end)) {
    parts.push(text.slice(end, at), <mark key={at}>{text.slice(at, at + wanted.length)}</mark>);
    end = at + wanted.length;
  }
  parts.push(text.slice(end));
  return parts;
}

function Data({ value }: { readonly value: unknown }): ReactNode {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <button type="button" className={css.chip} aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
        {isOpen ? '▾' : '▸'} data
      </button>
      {isOpen && (
        <div className={css.data}>
          <JsonTree value={value} label="Data of the line" />
        </div>
      )}
    </>
  );
}

function Traceback({ text, query }: { readonly text: string; readonly query: string }): ReactNode {
  const [isOpen, setIsOpen] = useState(false);
  const { last, frames } = folded(text.length > 200_000 ? text.slice(-200_000) : text);
  return (
    <div className={css.traceback}>
      <button type="button" className={css.fold} aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
        <span aria-hidden="true">{isOpen ? '▾' : '▸'}</span>{' '}
        <Text text={last.length > LONGEST ? cut(last) : last} query={query} />{' '}
        <span className={css.muted}>
          {frames} {frames === 1 ? 'frame' : 'frames'}
        </span>
      </button>
      {isOpen && (
        <pre className={css.frames}>
          <Text text={text} query={query} />
        </pre>
      )}
    </div>
  );
}

function CopyButton({ text }: { readonly text: string }): ReactNode {
  const [isDone, setIsDone] = useState(false);
  return (
    <button
      type="button"
      title="Copy the message"
      aria-label="Copy the message"
      onClick={() => {
        void navigator.clipboard.writeText(text).then(() => {
          setIsDone(true);
          setTimeout(() => setIsDone(false), 1_000);
        });
      }}
    >
      {isDone ? '✓' : '⧉'}
    </button>
  );
}

/** Cut without halving a pair of surrogates. */
function cut(text: string): string {
  const last = text.charCodeAt(LONGEST - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? LONGEST - 1 : LONGEST);
}
