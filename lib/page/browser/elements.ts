import { type ComponentChildren, h, type VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import htm from "htm";
import { focusPath, giveFocus } from "./focus.ts";

type Template = (strings: TemplateStringsArray, ...values: unknown[]) => VNode;

/** Markup of a component. What is put into it is text or other components, never markup. */
export const html: Template = (htm as unknown as { bind(create: typeof h): Template }).bind(h);

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
