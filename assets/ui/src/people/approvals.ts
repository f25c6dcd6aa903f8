/** The answer of the box where the owners want two of them to agree. */
import type { Problem } from '../api/client';

export const asksOwner = (problem: Problem | undefined) => problem?.type === 'approval-required';
