/** What is wrong, at a glance: the grid, the failures by kind, the plots. */
import type { Job } from "@/api/jobs";
import { FailuresPanel } from "./failures/FailuresPanel";
import { GridPanel } from "./grid/GridPanel";
import { PlotsPanels } from "./plots/PlotsPanels";

/** The first tab. */
export function Overview({ job }: { job: Job }) {
  return (
    <div className="grid grid-cols-1 gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
      <GridPanel job={job} />
      <FailuresPanel job={job} />
      <PlotsPanels job={job} />
    </div>
  );
}
