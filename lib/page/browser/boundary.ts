import { Component, type ComponentChildren } from "preact";
import { messageOf } from "../../base/errors.ts";
import { html } from "./elements.ts";

interface BoundaryProps {
  /** What stands in it, as "The list of calls". */
  name: string;
  /** Grows with each line of the daemon: with something new it is tried again. */
  version: number;
  children?: ComponentChildren;
}

interface BoundaryState {
  why?: string;
  /** The version that could not be shown. */
  failed?: number;
}

/** A part of the page that says so when it cannot be shown, and leaves the other parts as they are. */
export class Boundary extends Component<BoundaryProps, BoundaryState> {
  override componentDidCatch(thrown: unknown): void {
    this.setState({
      why: messageOf(thrown),
      failed: this.props.version,
    });
  }

  override render(): ComponentChildren {
    const { why, failed } = this.state;
    const { name, version, children } = this.props;
    if (failed !== version) return children;
    return html`
      <p
        class="cause">${name} cannot be shown: ${why}. It is tried again with what the daemon says next.${" "}
        <button type="button" class="link" onClick=${() => location.reload()}>Load the page again</button></p>
    `;
  }
}
