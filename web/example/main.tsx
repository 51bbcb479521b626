import { useMemo, useState, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import { DEFAULT_VIEW, JsonTree, LogPanel, placeToText, StatusBadge, Timeline, useOutline, type LogView } from '../src/live';
import { madeUpRun } from './madeUpRun';
import './platform.css';

/** A page of the platform: the components take a source and callbacks, and the platform's own tokens give them their look. */
function RunOnAPageOfOnesOwn(): ReactNode {
  const source = useMemo(() => madeUpRun(), []);
  const outline = useOutline(source, false);
  const [view, setView] = useState<LogView>(DEFAULT_VIEW);
  return (
    <main>
      <h1>
        sync_users <StatusBadge status="Running" />
      </h1>
      <Timeline outline={outline} zone="local" onGo={(place) => setView({ ...view, line: place })} />
      <div className="log">
        <LogPanel
          source={source}
          outline={outline}
          since={source.startedAt}
          isPending={false}
          isFinal={false}
          isFailed={false}
          zone="local"
          view={view}
          onView={(change) => setView((before) => ({ ...before, ...change }))}
          downloads={{ text: '#text', json: '#json' }}
          linkTo={(place) => `#${placeToText(place)}`}
          describeError={String}
          goal={null}
        />
      </div>
      <JsonTree label="Variables" value={{ done: 12, tenant: { id: 'juniper' } }} />
    </main>
  );
}

createRoot(document.getElementById('root')!).render(<RunOnAPageOfOnesOwn />);
