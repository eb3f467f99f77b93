export interface Options {
  /** The project's write key, `wk_…`. It may only write, so it may be public. */
  key: string;
  /** Where events go: `https://weir.example.com/w`, or any path of your own site that ends there. */
  endpoint: string;
  /** The part after `#` names the page. */
  hash?: boolean;
  /** No page view by itself: call `track('pageview')`. */
  manual?: boolean;
  /** Pages whose URL matches send nothing. Without flags. */
  exclude?: string | RegExp;
  /** Your own id of who is signed in. */
  user?: string;
}

export type Properties = Record<string, unknown>;

export interface More {
  /** The amount in the currency's own unit: 9.5 is nine euros fifty. */
  revenue?: { amount: number | string; currency: string };
  /** `false`: it says nothing about the visitor being active (default `true`). */
  interactive?: boolean;
  /** The page's URL, where it is another one than the address bar's. */
  u?: string;
  /** Your own id of who this event is of. */
  user?: string;
}

/** Once, in the browser. Begins with a page view unless `manual`. */
export function init(options: Options): void;
/** An event by name; `pageview` is a page view. May be called before `init`. */
export function track(name: string, properties?: Properties, more?: More): void;
