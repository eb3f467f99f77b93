// Lists that come page by page (usePages), as a table.
import type { ComponentChildren } from 'preact';
import type { Loaded } from '../load.ts';
import { Failure } from './parts.tsx';

export type Listed<T> = Loaded<T[]> & { more: (() => void) | null };
export interface Column<T> { text: string; isNumber?: boolean; isHidden?: boolean; cell: (row: T) => ComponentChildren }
/** The first column names the row. `nothing`: what is said of an empty list. */
export function Table<T extends { id: string }>({ label, of, columns, nothing, isMuted }: { label: string; of: Listed<T>; columns: readonly Column<T>[]; nothing: ComponentChildren; isMuted?: (row: T) => boolean }) {
  const { value: rows, error, isLoading, more, retry } = of;
  return (
    <div aria-busy={isLoading} class="table-box">
      {error && <Failure text={error} retry={retry} />}
      {rows && rows.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={`${label}: table`}>
          <table class="grid records">
            <thead><tr>{columns.map((c) => <th key={c.text} scope="col" class={c.isNumber ? 'right' : ''}>{c.isHidden ? <span class="hidden">{c.text}</span> : c.text}</th>)}</tr></thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.id} class={isMuted?.(row) ? 'faded' : ''}>
                  {columns.map((c, i) => (i ? <td key={c.text} class={c.isNumber ? 'right' : ''}>{c.cell(row)}</td> : <th key={c.text} scope="row">{c.cell(row)}</th>))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rows && !rows.length && <div class="muted nothing">{nothing}</div>}
      {!rows && !error && <div class="table-wait" />}
      {more && <button type="button" class="button more" onClick={more}>Show more</button>}
    </div>
  );
}
