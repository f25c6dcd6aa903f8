import type en from '../en/people';

export default {} satisfies typeof en;
