import type en from '../en/events';

export default {} satisfies typeof en;
