import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import { html } from "./elements.ts";
import { plural } from "./format.ts";
import {
  cellKey,
  type Matrix,
  type ServerLine,
  type ShownProcess,
  type Tone,
  toneOf,
  type WindowColumn,
} from "./matrix_model.ts";

/** A cell of the grid: column -1 is that of the names. */
export interface GridPlace {
  row: number;
  column: number;
}

/** Sizes of the grid, in pixels. */
interface GridSizes {
  nameWidth: number;
  columnWidth: number;
  headHeight: number;
  /** Whether the labels of the columns stand upright. */
  isTall: boolean;
}

/** A state is told by a sign too, and not by its colour alone. */
export const SIGNS: Readonly<Record<Tone, string>> = { ok: "●", busy: "◐", ask: "◆", bad: "▲", off: "○" };

/** How high a line is. */
export const ROW_PX = 36;

type SeenRange = [number, number];

/** The labels of the columns. */
export function Head(
  { columns, range: [from, to], sizes }: { columns: WindowColumn[]; range: SeenRange; sizes: GridSizes },
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
  running: ReadonlyMap<string, number>;
  onPlace: (place: GridPlace) => void;
}

/** The lines that are seen, and the one with the focus, which the keyboard stands on. */
export function Cells(props: CellsProps): VNode {
  const { matrix: { lines, columns }, rows, columns: range, sizes, at, running, onPlace } = props;
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
        running,
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
  columns: WindowColumn[];
  from: number;
  to: number;
  /** The column that is chosen, if it is in this line. */
  atColumn: number | undefined;
  running: ReadonlyMap<string, number>;
  onPlace: (place: GridPlace) => void;
}

/** Drawn anew only when something in it has changed: a key that moves changes two lines of many. */
function Line(props: LineProps): VNode {
  const { line, row, columns, from, to, atColumn, running, nameWidth, columnWidth, headHeight } = props;
  return useMemo(
    () => DrawnLine(props),
    [line, row, columns, from, to, atColumn, running, nameWidth, columnWidth, headHeight],
  );
}

function DrawnLine(props: LineProps): VNode {
  const { line, row, columns, from, to, atColumn, nameWidth, headHeight, onPlace } = props;
  const isRow = atColumn !== undefined;
  const isNameAt = isRow && atColumn < 0;
  return html`
    <div
      class=${`line ${isRow ? "current" : ""}`}
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
    </div>
  `;
}

function Cell(column: WindowColumn, index: number, props: LineProps): VNode {
  const { line, row, atColumn, running, nameWidth, columnWidth, onPlace } = props;
  const processes = line.byColumn.get(column.key) ?? [];
  const inflight = column.sessions.reduce(
    (sum, { session }) => sum + (running.get(cellKey(line.name, session)) ?? 0),
    0,
  );
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
    ><span class="unseen">${labelOf(line, column, { processes, inflight })}</span>
      ${processes.length === 0 ? Unused(line) : undefined}
      ${processes.map((process) => Chip(process, processes.length === 1 ? inflight : 0))}</div>
  `;
}

/** Of a window that does not use the server: what keeps it from that, if anything does. */
function Unused({ tone }: ServerLine): VNode {
  const isKept = tone === "bad" || tone === "ask";
  return html`<span class=${`sign ${isKept ? tone : "off"}`} aria-hidden="true">${
    isKept ? SIGNS[tone] : "·"
  }</span>`;
}

function Chip({ key, number, row }: ShownProcess, inflight: number): VNode {
  const tone = toneOf(row);
  return html`
    <span key=${key} class=${`chip ${tone}`} aria-hidden="true">${tone === "ok"
      ? ""
      : SIGNS[tone]}${number}${inflight > 0 ? html`<b>▸${inflight}</b>` : undefined}</span>
  `;
}

/** What a cell says to somebody who does not see it. */
function labelOf(
  line: ServerLine,
  column: WindowColumn,
  { processes, inflight }: { processes: ShownProcess[]; inflight: number },
): string {
  const where = `${line.name}, ${column.label}`;
  if (processes.length === 0) return `${where}: not in use; ${line.state}`;
  const each = processes.map(({ number, row }) => {
    const others = row.sessions.length - 1;
    const shared = others > 0 ? `shared with ${plural(others, "other session")}` : "not shared";
    return `process ${number}, ${row.state}, ${shared}`;
  });
  return `${where}: ${each.join("; ")}${inflight > 0 ? `; ${plural(inflight, "call")} in flight` : ""}`;
}
