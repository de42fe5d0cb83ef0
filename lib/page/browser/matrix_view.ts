import type { RefObject, VNode } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { counted } from "../../base/text.ts";
import { Filter, html } from "./elements.ts";
import { MatrixDetails, WindowFacts } from "./matrix_details.ts";
import { Cells, Head, ROW_PX } from "./matrix_cells.ts";
import {
  buildMatrix,
  chosenAt,
  type ChosenPlace,
  filterLines,
  type GridPlace,
  loadsByCell,
  type Matrix,
  placeOf,
  type WindowColumn,
} from "./matrix_model.ts";
import { hasModifier } from "./navigation.ts";
import { usePage } from "./page.ts";
import { parkServer, restartServer, stopServer } from "./requests.ts";
import { scrolledTo, visibleRange } from "./scroll.ts";
import { useScrolled } from "./use_scrolled.ts";

/** Servers by windows: who shares what, in what state, and why. */
export function MatrixView(): VNode {
  const { state } = usePage();
  const [filter, setFilter] = useState("");
  const [chosen, setChosen] = useState<ChosenPlace>({ row: 0, column: -1 });
  const matrix = useMemo(() => buildMatrix(state.servers, state.sessions), [state, state.rowsVersion]);
  const lines = useMemo(() => filterLines(matrix.lines, filter), [matrix, filter]);
  const shown = useMemo(() => ({ lines, columns: matrix.columns }), [lines]);
  const at = placeOf(chosen, shown);
  const selected = lines[at.row];
  const latest = useRef(shown);
  latest.current = shown;
  const choose = useCallback((place: GridPlace) => setChosen(chosenAt(place, latest.current)), []);
  useEffect(() => {
    if (chosen.server === undefined && selected) choose(at);
  });
  if (matrix.lines.length === 0) return html`<${NoServer} columns=${matrix.columns} />`;
  return html`
    <div class="bar">
      <${Filter} label="Filter" value=${filter} onChange=${setFilter} />
      <p class="quiet">${counted(lines.length, "server")}, ${counted(matrix.columns.length, "window")}</p>
    </div>
    ${matrix.columns.length === 0 ? html`<${NoWindow} />` : undefined}
    <div class="split">
      <${Grid} matrix=${shown} at=${at} onPlace=${choose} />
      ${selected
        ? html`<${MatrixDetails} line=${selected} column=${
          matrix.columns[at.column]
        } columns=${matrix.columns} />`
        : html`<p class="details quiet">No server matches “${filter}”.</p>`}
    </div>
  `;
}

/** What to do where there is nothing to be seen yet, with the windows that are open. */
function NoServer({ columns }: { columns: readonly WindowColumn[] }): VNode {
  return html`
    <section class="panel">
      <h2>No server is configured</h2>
      <p><code>exai-daemon adopt</code> takes over the servers of your clients, and <code>exai-daemon servers add</code> adds one. They appear here as soon as <code>mcp.json</code> is saved.</p>
    </section>
    ${columns.length === 0 ? html`<${NoWindow} />` : undefined}
    ${columns.map((column) =>
      html`
        <section key=${column.key} class="panel">
          <${WindowFacts} column=${column} />
        </section>
      `
    )}
  `;
}

function NoWindow(): VNode {
  return html`
    <p
      class="quiet">No window is open. A client opens one when it starts <code>exai-shim</code>; <code>exai-daemon adopt</code> has your clients do so.</p>
  `;
}

interface GridProps {
  matrix: Matrix;
  at: GridPlace;
  onPlace: (place: GridPlace) => void;
}

/** Sizes of the grid as wide as it is, and which lines and columns of it are seen. */
function useSeen(ref: RefObject<HTMLDivElement | null>, matrix: Matrix) {
  const seen = useScrolled(ref);
  const nameWidth = seen.width < 520 ? 132 : 230;
  const seenWidth = Math.max(0, seen.width - nameWidth);
  const columnWidth = widthOfColumns(seenWidth, matrix.columns.length);
  const isTall = columnWidth < 96;
  const headHeight = isTall ? 120 : 44;
  const rows = visibleRange({
    scroll: seen.top,
    extent: seen.height,
    size: ROW_PX,
    count: matrix.lines.length,
  });
  const columns = visibleRange({
    scroll: seen.left,
    extent: seen.width,
    size: columnWidth,
    count: matrix.columns.length,
  });
  return {
    sizes: { nameWidth, columnWidth, headHeight, isTall, seenWidth },
    rows,
    columns,
    height: seen.height,
  };
}

function Grid({ matrix, at, onPlace }: GridProps): VNode {
  const { state, act, hasKeys } = usePage();
  const ref = useRef<HTMLDivElement>(null);
  const { sizes, rows, columns, height } = useSeen(ref, matrix);
  const { nameWidth, columnWidth, headHeight } = sizes;
  const loads = useMemo(() => loadsByCell(state.running), [state, state.callsVersion]);
  const go = useCallback((place: GridPlace) => {
    onPlace(place);
    bringIntoView(ref.current!, place, { nameWidth, columnWidth, headHeight });
  }, [onPlace, nameWidth, columnWidth, headHeight]);
  const onKey = (event: KeyboardEvent) => {
    const next = moved(event, { at, matrix, page: Math.max(1, Math.floor(height / ROW_PX) - 2) });
    if (next) {
      event.preventDefault();
      return go(next);
    }
    const server = matrix.lines[at.row]?.name;
    const action = hasKeys && server !== undefined && !hasModifier(event) && ACTIONS.get(event.key);
    if (action) act(action(server));
  };
  const width = nameWidth + columnWidth * matrix.columns.length;
  return html`
    <div
      class="grid"
      role="grid"
      tabindex="0"
      ref=${ref}
      aria-label="Servers by windows"
      aria-rowcount=${matrix.lines.length + 1}
      aria-colcount=${matrix.columns.length + 1}
      aria-activedescendant=${matrix.lines.length > 0 ? `cell-${at.row}-${at.column}` : undefined}
      onKeyDown=${onKey}
    >
      <div class="canvas" role="presentation" style=${{
        width: `${width}px`,
        height: `${headHeight + ROW_PX * matrix.lines.length}px`,
      }}>
        <${Head} columns=${matrix.columns} range=${columns} sizes=${sizes} />
        <${Cells} ...${{ matrix, rows, columns, sizes, at, loads, onPlace: go }} />
      </div>
    </div>
  `;
}

const ACTIONS = new Map([["r", restartServer], ["p", parkServer], ["s", stopServer]]);

function widthOfColumns(room: number, count: number): number {
  return count === 0 ? 96 : Math.max(40, Math.min(170, Math.floor((room - 2) / count)));
}

/** Where a key leads to; undefined for one that leads nowhere. */
function moved(
  event: KeyboardEvent,
  { at: { row, column }, matrix, page }: { at: GridPlace; matrix: Matrix; page: number },
): GridPlace | undefined {
  if (event.altKey || event.metaKey || matrix.lines.length === 0) return undefined;
  const [lastRow, lastColumn] = [matrix.lines.length - 1, matrix.columns.length - 1];
  const bounded = (row: number, column: number): GridPlace => ({
    row: Math.max(0, Math.min(lastRow, row)),
    column: Math.max(-1, Math.min(lastColumn, column)),
  });
  switch (event.key) {
    case "ArrowDown":
      return bounded(row + 1, column);
    case "ArrowUp":
      return bounded(row - 1, column);
    case "ArrowRight":
      return bounded(row, column + 1);
    case "ArrowLeft":
      return bounded(row, column - 1);
    case "PageDown":
      return bounded(row + page, column);
    case "PageUp":
      return bounded(row - page, column);
    case "Home":
      return event.ctrlKey ? bounded(0, -1) : bounded(row, -1);
    case "End":
      return event.ctrlKey ? bounded(lastRow, lastColumn) : bounded(row, lastColumn);
  }
  return undefined;
}

function bringIntoView(
  grid: HTMLElement,
  { row, column }: GridPlace,
  { nameWidth, columnWidth, headHeight }: { nameWidth: number; columnWidth: number; headHeight: number },
): void {
  const down = { start: row * ROW_PX, size: ROW_PX, room: grid.clientHeight - headHeight };
  grid.scrollTop = scrolledTo(grid.scrollTop, down);
  const right = { start: column * columnWidth, size: columnWidth, room: grid.clientWidth - nameWidth };
  grid.scrollLeft = column < 0 ? 0 : scrolledTo(grid.scrollLeft, right);
}
