/** An element with all it is in, from the inside to the outside. */
type FocusPath = readonly HTMLElement[];

/** Where the focus is now, to be given back later. */
export function focusPath(): FocusPath {
  return pathOf(document.activeElement);
}

/** Gives the focus to what had it, or, where that is gone, to what is left of what it was in. */
export function giveFocus(path: FocusPath): void {
  const left = path.find((element) => element.isConnected && element !== document.body);
  if (!left) return;
  const target = left.contains(document.querySelector("main")) ? document.querySelector("main")! : left;
  if (target !== path[0] && !target.hasAttribute("tabindex")) target.tabIndex = -1;
  target.focus();
}

/**
 * Keeps the focus near where it was when what had it is gone, as the button of a call that has ended: a browser would
 * begin at the top of the page again.
 */
export function keepFocus(root: HTMLElement): void {
  let path: FocusPath = [];
  document.addEventListener("focusin", () => path = focusPath());
  new MutationObserver(() => {
    const isLost = document.activeElement === document.body && path.length > 0 && !path[0]!.isConnected;
    if (isLost) giveFocus(path);
  }).observe(root, { childList: true, subtree: true });
}

function pathOf(element: Element | null): FocusPath {
  const path: HTMLElement[] = [];
  for (let at = element; at !== null; at = at.parentElement) {
    if (at instanceof HTMLElement) path.push(at);
  }
  return path;
}
