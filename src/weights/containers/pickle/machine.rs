//! The stack machine that a pickle is a program for.

use std::collections::HashMap;
use std::io::{BufRead, Read};

use super::opcode::*;
use super::{Id, MAX_BYTES, MAX_STEPS, Node, Pickle, PickleError};

type Result<T> = std::result::Result<T, PickleError>;

/// The classes whose instances are dictionaries.
const DICTIONARIES: [&str; 4] =
    ["collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict"];

pub(super) fn run(input: &mut impl BufRead) -> Result<Pickle> {
    let mut machine = Machine {
        input,
        left: MAX_BYTES,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..MAX_STEPS {
        let opcode = machine.byte()?;
        if opcode == STOP {
            let root = machine.pop()?;
            return Ok(Pickle { nodes: machine.nodes, root });
        }
        machine.step(opcode)?;
    }
    Err(PickleError::TooLarge)
}

struct Machine<'a, R> {
    input: &'a mut R,
    /// How many bytes it may still read.
    left: u64,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// The height of the stack at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<R: BufRead> Machine<'_, R> {
    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            PROTO => _ = self.byte()?,
            FRAME => _ = self.bytes(8)?,
            MARK => self.marks.push(self.stack.len()),
            POP => match self.marks.last() == Some(&self.stack.len()) {
                true => _ = self.marks.pop(),
                false => _ = self.pop()?,
            },
            POP_MARK => _ = self.since_mark()?,
            DUP => self.stack.push(self.top()?),
            NONE | NEWTRUE | NEWFALSE => self.push(Node::Other),
            FLOAT => self.line().map(|_| self.push(Node::Other))?,
            BINFLOAT => self.bytes(8).map(|_| self.push(Node::Other))?,
            INT | LONG => {
                let line = self.line()?;
                self.push(line.trim_end_matches('L').parse().map_or(Node::Other, Node::Int));
            }
            BININT => self.signed(4)?,
            BININT1 => self.unsigned(1).map(|value| self.push(Node::Int(value as i64)))?,
            BININT2 => self.unsigned(2).map(|value| self.push(Node::Int(value as i64)))?,
            LONG1 => self.unsigned(1).and_then(|length| self.signed(length))?,
            LONG4 => self.unsigned(4).and_then(|length| self.signed(length))?,
            STRING => {
                let line = self.line()?;
                self.push(Node::Text(line.trim_matches(['\'', '"']).to_owned()));
            }
            UNICODE => self.line().map(|line| self.push(Node::Text(line)))?,
            SHORT_BINSTRING | SHORT_BINUNICODE => self.text(1)?,
            BINSTRING | BINUNICODE => self.text(4)?,
            BINUNICODE8 => self.text(8)?,
            SHORT_BINBYTES => self.data(1)?,
            BINBYTES => self.data(4)?,
            BINBYTES8 | BYTEARRAY8 => self.data(8)?,
            EMPTY_TUPLE | EMPTY_LIST | EMPTY_SET => self.push(Node::Sequence(Vec::new())),
            EMPTY_DICT => self.push(Node::Dict(Vec::new())),
            TUPLE | LIST | FROZENSET => {
                let entries = self.since_mark()?;
                self.push(Node::Sequence(entries));
            }
            TUPLE1 => self.tuple(1)?,
            TUPLE2 => self.tuple(2)?,
            TUPLE3 => self.tuple(3)?,
            DICT => {
                let entries = pairs(&self.since_mark()?)?;
                self.push(Node::Dict(entries));
            }
            APPEND => {
                let entry = self.pop()?;
                self.extend(&[entry])?;
            }
            APPENDS | ADDITEMS => {
                let entries = self.since_mark()?;
                self.extend(&entries)?;
            }
            SETITEM => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(vec![(key, value)])?;
            }
            SETITEMS => {
                let entries = pairs(&self.since_mark()?)?;
                self.insert(entries)?;
            }
            GLOBAL => {
                let name = self.line()? + "." + &self.line()?;
                self.push(Node::Class(name));
            }
            STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Node::Text(module), Node::Text(name)) =
                    (&self.nodes[module], &self.nodes[name])
                else {
                    return Err(PickleError::Damaged("a class has no name"));
                };
                let name = format!("{module}.{name}");
                self.push(Node::Class(name));
            }
            REDUCE | NEWOBJ => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.call(class, arguments);
            }
            NEWOBJ_EX => {
                let (_, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(class, arguments);
            }
            INST => {
                let name = self.line()? + "." + &self.line()?;
                let arguments = self.since_mark()?;
                let class = self.add(Node::Class(name));
                let arguments = self.add(Node::Sequence(arguments));
                self.call(class, arguments);
            }
            OBJ => {
                let mut arguments = self.since_mark()?;
                if arguments.is_empty() {
                    return Err(PickleError::Damaged("an object has no class"));
                }
                let class = arguments.remove(0);
                let arguments = self.add(Node::Sequence(arguments));
                self.call(class, arguments);
            }
            BUILD => {
                let given = self.pop()?;
                let top = self.top()?;
                // Attributes of a dictionary, such as a state dict's `_metadata`, hold no weights.
                if let Node::Object { state, .. } = &mut self.nodes[top] {
                    *state = Some(given);
                }
            }
            PERSID => {
                let line = self.line()?;
                let id = self.add(Node::Text(line));
                self.push(Node::Persistent(id));
            }
            BINPERSID => {
                let id = self.pop()?;
                self.push(Node::Persistent(id));
            }
            PUT => self.index().and_then(|index| self.put(index))?,
            BINPUT => self.unsigned(1).and_then(|index| self.put(index))?,
            LONG_BINPUT => self.unsigned(4).and_then(|index| self.put(index))?,
            MEMOIZE => self.put(self.memo.len() as u64)?,
            GET => self.index().and_then(|index| self.get(index))?,
            BINGET => self.unsigned(1).and_then(|index| self.get(index))?,
            LONG_BINGET => self.unsigned(4).and_then(|index| self.get(index))?,
            other => return Err(PickleError::Opcode(other)),
        }
        Ok(())
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn push(&mut self, node: Node) {
        let id = self.add(node);
        self.stack.push(id);
    }

    fn top(&self) -> Result<Id> {
        self.stack.last().copied().ok_or(PickleError::Damaged("its stack is empty"))
    }

    fn pop(&mut self) -> Result<Id> {
        if self.marks.last().is_some_and(|mark| *mark >= self.stack.len()) {
            return Err(PickleError::Damaged("a value is missing"));
        }
        self.stack.pop().ok_or(PickleError::Damaged("its stack is empty"))
    }

    fn since_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or(PickleError::Damaged("a mark is missing"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn tuple(&mut self, length: usize) -> Result<()> {
        let mut entries = (0..length).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        entries.reverse();
        self.push(Node::Sequence(entries));
        Ok(())
    }

    fn call(&mut self, class: Id, arguments: Id) {
        let dictionary = match &self.nodes[class] {
            Node::Class(name) => DICTIONARIES.contains(&name.as_str()),
            _ => false,
        };
        match dictionary {
            true => {
                let entries = self.dictionary(arguments);
                self.push(Node::Dict(entries));
            }
            false => self.push(Node::Object { class, arguments, state: None }),
        }
    }

    /// The entries of `OrderedDict([(key, value), ...])`.
    fn dictionary(&self, arguments: Id) -> Vec<(Id, Id)> {
        let sequence = |id: Id| match &self.nodes[id] {
            Node::Sequence(entries) => entries.as_slice(),
            _ => &[],
        };
        let given = sequence(arguments).first().map_or(&[][..], |first| sequence(*first));
        let pair = |id: &Id| match sequence(*id) {
            [key, value] => Some((*key, *value)),
            _ => None,
        };
        given.iter().filter_map(pair).collect()
    }

    fn extend(&mut self, entries: &[Id]) -> Result<()> {
        let top = self.top()?;
        // An object's own entries, such as a deque's, hold no weights.
        if let Node::Sequence(sequence) = &mut self.nodes[top] {
            sequence.extend(entries);
        }
        Ok(())
    }

    fn insert(&mut self, entries: Vec<(Id, Id)>) -> Result<()> {
        let top = self.top()?;
        if let Node::Dict(dictionary) = &mut self.nodes[top] {
            dictionary.extend(entries);
        }
        Ok(())
    }

    fn put(&mut self, index: u64) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn get(&mut self, index: u64) -> Result<()> {
        let found = self.memo.get(&index).copied();
        self.stack.push(found.ok_or(PickleError::Damaged("an object it repeats is missing"))?);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    fn bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        self.left = self.left.checked_sub(length).ok_or(PickleError::TooLarge)?;
        let mut bytes = Vec::new();
        self.input.by_ref().take(length).read_to_end(&mut bytes)?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(PickleError::Damaged("it ends early")),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.input.by_ref().take(self.left).read_until(b'\n', &mut line)?;
        self.left -= line.len() as u64;
        match line.pop() {
            Some(b'\n') => Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()),
            _ => Err(PickleError::Damaged("it ends early")),
        }
    }

    fn index(&mut self) -> Result<u64> {
        self.line()?.parse().map_err(|_| PickleError::Damaged("an index is not a number"))
    }

    fn unsigned(&mut self, length: u64) -> Result<u64> {
        let mut value = [0; 8];
        let bytes = self.bytes(length)?;
        value[..bytes.len()].copy_from_slice(&bytes);
        Ok(u64::from_le_bytes(value))
    }

    /// Pushes a number of `length` bytes in two's complement; one too wide for an i64 as `Other`.
    fn signed(&mut self, length: u64) -> Result<()> {
        let bytes = self.bytes(length)?;
        let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut value = [if negative { 0xff } else { 0 }; 8];
        let node = match bytes.len() {
            0..=8 => {
                value[..bytes.len()].copy_from_slice(&bytes);
                Node::Int(i64::from_le_bytes(value))
            }
            _ => Node::Other,
        };
        self.push(node);
        Ok(())
    }

    fn text(&mut self, prefix: u64) -> Result<()> {
        let length = self.unsigned(prefix)?;
        let bytes = self.bytes(length)?;
        self.push(Node::Text(String::from_utf8_lossy(&bytes).into_owned()));
        Ok(())
    }

    fn data(&mut self, prefix: u64) -> Result<()> {
        let length = self.unsigned(prefix)?;
        self.bytes(length)?;
        self.push(Node::Other);
        Ok(())
    }
}

fn pairs(entries: &[Id]) -> Result<Vec<(Id, Id)>> {
    match entries.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
        _ => Err(PickleError::Damaged("a dictionary's key has no value")),
    }
}
