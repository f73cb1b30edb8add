declare module "@broadsheet/comments";
