import { type ComponentChildren, h, type VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import htm from "htm";
import { visible } from "../../base/visible.ts";
import { focusPath, giveFocus } from "./focus.ts";

type Template = (strings: TemplateStringsArray, ...values: unknown[]) => VNode;

/**
 * Controls, and what turns the direction of all that stands after it. Other characters without a width stay, as
 * Persian is written with them, and emoji.
 */
const MISLEADING = /[[\p{Cc}\u202a-\u202e\u2066-\u2069]--[\t\n\r]]/gv;

/** Foreign text as it is, but for characters that would have what is around it read otherwise. */
function plainly<T>(value: T): T | string {
  return typeof value === "string" ? value.replace(MISLEADING, (char) => visible(char)) : value;
}

/** Markup of a component. What is put into it is text or other components, never markup. */
export const html: Template = (htm as unknown as { bind(create: typeof createPlainly): Template })
  .bind(createPlainly);

/** All texts pass here: what is shown, and what is said of it to those who do not see it. */
function createPlainly(
  type: Parameters<typeof h>[0],
  props: Record<string, unknown> | null,
  ...children: ComponentChildren[]
): VNode {
  const said = props && { ...props };
  for (const name of ["title", "aria-label"]) if (said && name in said) said[name] = plainly(said[name]);
  return h(type as string, said as Parameters<typeof h>[1], ...children.map(plainly));
}

interface ModalProps {
  title: string;
  onClose: () => void;
  children?: ComponentChildren;
}

/** A dialog above the page; Escape closes it, and the focus goes back to where it was. */
export function Modal({ title, onClose, children }: ModalProps): VNode {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = focusPath();
    ref.current?.showModal();
    return () => giveFocus(before);
  }, []);
  return html`
    <dialog ref=${ref} aria-labelledby="modal-title" onClose=${onClose}>
      <h2 id="modal-title">${title}</h2>
      ${children}
    </dialog>
  `;
}

interface FactsProps {
  rows: readonly [string, ComponentChildren][];
  /** How they stand: below each other, or in a row. */
  kind?: "facts" | "figures";
}

/** What, and its value. Those without a value are left out. */
export function Facts({ rows, kind = "facts" }: FactsProps): VNode {
  const shown = rows.filter(([, value]) => value !== undefined && value !== "" && value !== null);
  return html`
    <dl class=${kind}>
      ${shown.map(([name, value]) =>
        html`
          <div key=${name}>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>
        `
      )}
    </dl>
  `;
}

interface FilterProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
}

/** The field that "/" leads to. */
export function Filter({ label, value, onChange }: FilterProps): VNode {
  return html`
    <label class="filter">
      <span>${label}</span>
      <input
        type="search"
        data-filter
        value=${value}
        autocomplete="off"
        spellcheck=${false}
        onInput=${(event: InputEvent) => onChange((event.target as HTMLInputElement).value)}
        onKeyDown=${(event: KeyboardEvent) => event.key === "Escape" && onChange("")}
      />
    </label>
  `;
}
