import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import { stateInWords, type StateTone, toneOf } from "../../admin/state_words.ts";
import { counted } from "../../base/text.ts";
import { html } from "./elements.ts";
import {
  type CellLoad,
  type GridPlace,
  loadOf,
  type Matrix,
  type ServerLine,
  type ShownProcess,
  type WindowColumn,
} from "./matrix_model.ts";

/** Sizes of the grid, in pixels. */
interface GridSizes {
  nameWidth: number;
  columnWidth: number;
  headHeight: number;
  /** Room beside the names that is seen. */
  seenWidth: number;
  /** Whether the labels of the columns stand upright. */
  isTall: boolean;
}

/** A state is told by a sign too, and not by its colour alone. */
export const SIGNS: Readonly<Record<StateTone, string>> = {
  ok: "●",
  busy: "◐",
  ask: "◆",
  bad: "▲",
  off: "○",
};

/** How high a line is. */
export const ROW_PX = 36;

type SeenRange = [number, number];

/** The labels of the columns. */
export function Head(
  { columns, range: [from, to], sizes }: {
    columns: readonly WindowColumn[];
    range: SeenRange;
    sizes: GridSizes;
  },
): VNode {
  const { nameWidth, columnWidth, headHeight, isTall } = sizes;
  return html`
    <div class="head" role="row" aria-rowindex="1" style=${{ height: `${headHeight}px` }}>
      <div class="name corner" role="columnheader" aria-colindex="1" style=${{ width: `${nameWidth}px` }}>
        Server
      </div>
      ${columns.slice(from, to).map((column, i) =>
        html`
          <div
            key=${column.key}
            role="columnheader"
            aria-colindex=${from + i + 2}
            class=${`column ${isTall ? "tall" : ""} ${column.isConnected ? "" : "away"}`}
            title=${`${column.label} (${column.detail})${column.isConnected ? "" : ", not connected"}`}
            style=${{ left: `${nameWidth + (from + i) * columnWidth}px`, width: `${columnWidth}px` }}
          ><span>${column.label}</span>${isTall ? undefined : html`<small>${column.detail}</small>`}</div>
        `
      )}
    </div>
  `;
}

interface CellsProps {
  matrix: Matrix;
  rows: SeenRange;
  columns: SeenRange;
  sizes: GridSizes;
  at: GridPlace;
  loads: ReadonlyMap<string, CellLoad>;
  onPlace: (place: GridPlace) => void;
}

/** The lines that are seen, and the one with the focus, which the keyboard stands on. */
export function Cells(props: CellsProps): VNode {
  const { matrix: { lines, columns }, rows, columns: range, sizes, at, loads, onPlace } = props;
  const indices = indicesOf(rows, lines[at.row] ? at.row : undefined);
  return html`${
    indices.map((row) =>
      html`<${Line} key=${lines[row]!.name} ...${{
        line: lines[row],
        row,
        columns,
        from: range[0],
        to: range[1],
        atColumn: row === at.row ? at.column : undefined,
        loads,
        onPlace,
        ...sizes,
      }} />`
    )
  }`;
}

function indicesOf([from, to]: SeenRange, and: number | undefined): number[] {
  const indices = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  if (and !== undefined && and >= 0 && !indices.includes(and)) indices.push(and);
  return indices;
}

interface LineProps extends GridSizes {
  line: ServerLine;
  row: number;
  columns: readonly WindowColumn[];
  from: number;
  to: number;
  /** The column that is chosen, if it is in this line. */
  atColumn: number | undefined;
  loads: ReadonlyMap<string, CellLoad>;
  onPlace: (place: GridPlace) => void;
}

/** Drawn anew only when something in it has changed: a key that moves changes two lines of many. */
function Line(props: LineProps): VNode {
  const { line, row, columns, from, to, atColumn, loads, nameWidth, columnWidth, headHeight, seenWidth } =
    props;
  return useMemo(
    () => DrawnLine(props),
    [line, row, columns, from, to, atColumn, loads, nameWidth, columnWidth, headHeight, seenWidth],
  );
}

function DrawnLine(props: LineProps): VNode {
  const { line, row, columns, from, to, atColumn, nameWidth, headHeight, seenWidth, onPlace } = props;
  const isRow = atColumn !== undefined;
  const isNameAt = isRow && atColumn < 0;
  return html`
    <div
      class=${`line ${isRow ? "current" : ""} ${hasRoomForCause(line) ? "told" : ""}`}
      role="row"
      aria-rowindex=${row + 2}
      style=${{ transform: `translateY(${row * ROW_PX}px)`, top: `${headHeight}px` }}
    >
      <div
        id=${`cell-${row}--1`}
        class=${`name ${isNameAt ? "at" : ""}`}
        role="rowheader"
        aria-colindex="1"
        aria-selected=${isNameAt}
        title=${`${line.name}: ${line.state}${line.cause === undefined ? "" : `: ${line.cause}`}`}
        style=${{ width: `${nameWidth}px` }}
        onClick=${() => onPlace({ row, column: -1 })}
      ><span class=${`sign ${line.tone}`} aria-hidden="true">${SIGNS[line.tone]}</span>
        <span class="server">${line.name}</span>
        <small class="state">${line.state}</small></div>
      ${indicesOf([from, to], atColumn).map((index) => Cell(columns[index]!, index, props))}
      ${hasRoomForCause(line)
        ? html`<span class=${`why sign ${line.tone}`} aria-hidden="true" style=${{
          left: `${nameWidth}px`,
          width: `${seenWidth}px`,
        }}>${line.cause}</span>`
        : undefined}
    </div>
  `;
}

/** No window uses a process of it: what keeps them from that is said in place of empty cells. */
function hasRoomForCause({ cause, byColumn }: ServerLine): boolean {
  return cause !== undefined && byColumn.size === 0;
}

function Cell(column: WindowColumn, index: number, props: LineProps): VNode {
  const { line, row, atColumn, loads, nameWidth, columnWidth, onPlace } = props;
  const processes = line.byColumn.get(column.key) ?? [];
  const load = loadOf(loads, line.name, column);
  const isAt = index === atColumn;
  return html`
    <div
      key=${column.key}
      id=${`cell-${row}-${index}`}
      class=${`cell ${isAt ? "at" : ""}`}
      role="gridcell"
      aria-colindex=${index + 2}
      aria-selected=${isAt}
      style=${{ left: `${nameWidth + index * columnWidth}px`, width: `${columnWidth}px` }}
      onClick=${() => onPlace({ row, column: index })}
    ><span class="unseen">${labelOf(line, column, { processes, load })}</span>
      ${processes.length === 0 && !hasRoomForCause(line) ? Unused(line) : undefined}
      ${processes.map(Chip)}${Load(load)}</div>
  `;
}

/** Of a window that does not use the server: what keeps it from that, if anything does. */
function Unused({ tone }: ServerLine): VNode {
  const isKept = tone === "bad" || tone === "ask";
  return html`<span class=${`sign ${isKept ? tone : "off"}`} aria-hidden="true">${
    isKept ? SIGNS[tone] : "·"
  }</span>`;
}

function Chip({ key, number, row }: ShownProcess): VNode {
  const tone = toneOf(row);
  return html`
    <span key=${key} class=${`chip ${tone}`} aria-hidden="true">${tone === "ok"
      ? ""
      : SIGNS[tone]}${number}</span>
  `;
}

function Load({ running, waiting }: CellLoad): VNode {
  return html`
    ${running > 0 ? html`<b class="sign busy" aria-hidden="true">▸${running}</b>` : undefined}
    ${waiting > 0 ? html`<b class="sign ask" aria-hidden="true">‖${waiting}</b>` : undefined}
  `;
}

/** What a cell says to somebody who does not see it. */
function labelOf(
  line: ServerLine,
  column: WindowColumn,
  { processes, load: { running, waiting } }: { processes: ShownProcess[]; load: CellLoad },
): string {
  const where = `${line.name}, ${column.label}`;
  if (processes.length === 0) {
    return `${where}: not in use; ${line.state}${line.cause === undefined ? "" : `: ${line.cause}`}`;
  }
  const each = processes.map(({ number, row }) => {
    const others = row.sessions.length - 1;
    const shared = others > 0 ? `shared with ${counted(others, "other session")}` : "not shared";
    return `process ${number}, ${stateInWords(row)}, ${shared}`;
  });
  const calls = [
    ...(running > 0 ? [`${counted(running, "call")} running`] : []),
    ...(waiting > 0 ? [`${counted(waiting, "call")} waiting`] : []),
  ];
  return `${where}: ${[...each, ...calls].join("; ")}`;
}
