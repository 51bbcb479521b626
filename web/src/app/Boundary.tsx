import { Component, type ReactNode } from 'react';
import css from './Boundary.module.css';

interface Props {
  /** What is said to have failed: `The log`. */
  readonly what: string;
  /** Another child is tried by itself. */
  readonly of?: unknown;
  readonly children: ReactNode;
}

interface State {
  readonly hasFailed: boolean;
  readonly of: unknown;
}

/** Keeps what goes wrong in a part of a page to that part. */
export class Boundary extends Component<Props, State> {
  override state: State = { hasFailed: false, of: this.props.of };

  static getDerivedStateFromError(): Partial<State> {
    return { hasFailed: true };
  }

  static getDerivedStateFromProps(props: Props, state: State): State | null {
    return props.of === state.of ? null : { hasFailed: false, of: props.of };
  }

  override render(): ReactNode {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <div role="alert" className={css.failed}>
        <p>{this.props.what} could not be shown: the page failed at it. The rest of the page is not concerned.</p>
        <button type="button" className={css.button} onClick={() => this.setState({ hasFailed: false })}>
          Retry
        </button>
      </div>
    );
  }
}
