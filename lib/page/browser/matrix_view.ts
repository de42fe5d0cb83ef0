import type { VNode } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Filter, html } from "./elements.ts";
import { plural } from "./format.ts";
import { MatrixDetails } from "./matrix_details.ts";
import { Cells, type GridPlace, Head, ROW_PX } from "./matrix_cells.ts";
import { buildMatrix, filterLines, type Matrix, runningByCell, visibleRange } from "./matrix_model.ts";
import { usePage } from "./page.ts";
import { parkServer, restartServer, stopServer } from "./requests.ts";

/** Servers by windows: who shares what, in what state, and why. */
export function MatrixView(): VNode {
  const { state } = usePage();
  const [filter, setFilter] = useState("");
  const [place, setPlace] = useState<GridPlace>({ row: 0, column: -1 });
  const matrix = useMemo(() => buildMatrix(state.servers, state.sessions), [state, state.rowsVersion]);
  const lines = filterLines(matrix.lines, filter);
  const shown = { lines: [...lines], columns: matrix.columns };
  const at = {
    row: Math.min(place.row, Math.max(0, lines.length - 1)),
    column: Math.min(place.column, matrix.columns.length - 1),
  };
  const selected = lines[at.row];
  return html`
    <div class="bar">
      <${Filter} label="Servers" value=${filter} onChange=${setFilter} />
      <p class="quiet">${plural(lines.length, "server")}, ${plural(
        matrix.columns.length,
        "window",
      )}${matrix.columns.length === 0 ? ": a column is there for each that is open" : ""}</p>
    </div>
    <div class="split">
      <${Grid} matrix=${shown} at=${at} onPlace=${setPlace} />
      ${selected
        ? html`<${MatrixDetails} line=${selected} column=${
          matrix.columns[at.column]
        } columns=${matrix.columns} />`
        : html`<p class="details quiet">${emptyWords(matrix, filter)}</p>`}
    </div>
  `;
}

function emptyWords({ lines }: Matrix, filter: string): string {
  if (lines.length > 0) return `No server matches “${filter}”.`;
  return "No server is configured: exai-daemon servers add, or exai-daemon adopt, which takes those of your clients.";
}

interface GridProps {
  matrix: Matrix;
  at: GridPlace;
  onPlace: (place: GridPlace) => void;
}

/** How far the grid is scrolled, and how large what is seen of it is. */
interface Scrolled {
  left: number;
  top: number;
  width: number;
  height: number;
}

function Grid({ matrix, at, onPlace }: GridProps): VNode {
  const { state, act, hasKeys } = usePage();
  const ref = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState<Scrolled>({ left: 0, top: 0, width: 800, height: 500 });
  useEffect(() => watchScroll(ref.current!, setSeen), []);
  const nameWidth = seen.width < 520 ? 132 : 230;
  const columnWidth = widthOfColumns(seen.width - nameWidth, matrix.columns.length);
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
  const sizes = { nameWidth, columnWidth, headHeight, isTall };
  const running = useMemo(() => runningByCell(state.running), [state, state.callsVersion]);
  const go = useCallback((place: GridPlace) => {
    onPlace(place);
    bringIntoView(ref.current!, place, { nameWidth, columnWidth, headHeight });
  }, [nameWidth, columnWidth, headHeight]);
  const onKey = (event: KeyboardEvent) => {
    const next = moved(event, { at, matrix, page: Math.max(1, Math.floor(seen.height / ROW_PX) - 2) });
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
        <${Cells} ...${{ matrix, rows, columns, sizes, at, running, onPlace: go }} />
      </div>
    </div>
  `;
}

const ACTIONS = new Map([["r", restartServer], ["p", parkServer], ["s", stopServer]]);

export function hasModifier({ ctrlKey, altKey, metaKey }: KeyboardEvent): boolean {
  return ctrlKey || altKey || metaKey;
}

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

function watchScroll(grid: HTMLElement, onChange: (seen: Scrolled) => void): () => void {
  const read = () =>
    onChange({
      left: grid.scrollLeft,
      top: grid.scrollTop,
      width: grid.clientWidth,
      height: grid.clientHeight,
    });
  const sizes = new ResizeObserver(read);
  sizes.observe(grid);
  grid.addEventListener("scroll", read, { passive: true });
  read();
  return () => {
    sizes.disconnect();
    grid.removeEventListener("scroll", read);
  };
}

function bringIntoView(
  grid: HTMLElement,
  { row, column }: GridPlace,
  { nameWidth, columnWidth, headHeight }: { nameWidth: number; columnWidth: number; headHeight: number },
): void {
  const top = row * ROW_PX;
  const roomY = grid.clientHeight - headHeight;
  if (top < grid.scrollTop) grid.scrollTop = top;
  else if (top + ROW_PX > grid.scrollTop + roomY) grid.scrollTop = top + ROW_PX - roomY;
  if (column < 0) {
    grid.scrollLeft = 0;
    return;
  }
  const left = column * columnWidth;
  const roomX = grid.clientWidth - nameWidth;
  if (left < grid.scrollLeft) grid.scrollLeft = left;
  else if (left + columnWidth > grid.scrollLeft + roomX) grid.scrollLeft = left + columnWidth - roomX;
}
