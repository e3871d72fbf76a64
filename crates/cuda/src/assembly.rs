//! Of a list of functions, a trampoline for each, in assembly: it jumps to the function that its record holds, and finds it first where
//! the record is empty. Arguments stay where they are, in registers and on the stack, so that a trampoline serves every signature.
//!
//! A record is `Function` in `open.rs`. Each trampoline and record has a section of its own: the linker drops those that nobody calls.

use std::fmt::Write;

pub struct Function<'a> {
    pub name: &'a str,
    pub library: usize,
    pub answer: u32,
}

/// `None` for a processor without trampolines.
pub fn assembly(architecture: &str, functions: &[Function]) -> Option<String> {
    let (jump, find) = match architecture {
        "x86_64" => (X86_64_JUMP, x86_64_find()),
        "aarch64" => (AARCH64_JUMP, AARCH64_FIND.to_owned()),
        _ => return None,
    };
    let mut text = String::new();
    for Function { name, library, answer } in functions {
        let jump = jump.replace("RECORD", &format!("tallow_cuda_record_{name}"));
        let _ = write!(
            text,
            "\t.section .text.{name},\"ax\",%progbits
\t.globl {name}
\t.hidden {name}
\t.type {name},%function
\t.p2align 4
{name}:
\t.cfi_startproc
{jump}\t.cfi_endproc
\t.size {name},.-{name}
\t.section .rodata.tallow_cuda_name_{name},\"a\",%progbits
tallow_cuda_name_{name}:
\t.asciz \"{name}\"
\t.section .data.tallow_cuda_record_{name},\"aw\",%progbits
\t.p2align 3
tallow_cuda_record_{name}:
\t.quad 0
\t.quad tallow_cuda_name_{name}
\t.long {library},{answer}
"
        );
    }
    let _ = write!(
        text,
        "\t.section .text.tallow_cuda_find,\"ax\",%progbits
\t.type tallow_cuda_find,%function
\t.p2align 4
tallow_cuda_find:
\t.cfi_startproc
{find}\t.cfi_endproc
\t.size tallow_cuda_find,.-tallow_cuda_find
\t.section .note.GNU-stack,\"\",%progbits
"
    );
    Some(text)
}

/// `r10` and `r11` carry no argument.
const X86_64_JUMP: &str = "\tleaq RECORD(%rip),%r11
\tmovq (%r11),%r10
\ttestq %r10,%r10
\tje tallow_cuda_find
\tjmp *%r10
";

/// Keeps every register that may carry an argument; `rax` counts the vectors of a variadic one. Seven pushes below the return address
/// leave the stack aligned to 16.
fn x86_64_find() -> String {
    let kept = ["rdi", "rsi", "rdx", "rcx", "r8", "r9", "rax"];
    let mut text = String::new();
    for register in kept {
        let _ = write!(text, "\tpushq %{register}\n\t.cfi_adjust_cfa_offset 8\n");
    }
    text += "\tsubq $128,%rsp\n\t.cfi_adjust_cfa_offset 128\n";
    for at in 0..8 {
        let _ = writeln!(text, "\tmovups %xmm{at},{}(%rsp)", 16 * at);
    }
    text += "\tmovq %r11,%rdi\n\tcall tallow_cuda_resolve@PLT\n\tmovq %rax,%r11\n";
    for at in 0..8 {
        let _ = writeln!(text, "\tmovups {}(%rsp),%xmm{at}", 16 * at);
    }
    text += "\taddq $128,%rsp\n\t.cfi_adjust_cfa_offset -128\n";
    for register in kept.iter().rev() {
        let _ = write!(text, "\tpopq %{register}\n\t.cfi_adjust_cfa_offset -8\n");
    }
    text + "\tjmp *%r11\n"
}

/// Not `x16` for the record: the linker's own veneers change it.
const AARCH64_JUMP: &str = "\tadrp x9,RECORD
\tadd x9,x9,:lo12:RECORD
\tldr x17,[x9]
\tcbz x17,1f
\tbr x17
1:\tb tallow_cuda_find
";

const AARCH64_FIND: &str = "\tstp x29,x30,[sp,#-224]!
\t.cfi_def_cfa_offset 224
\t.cfi_offset 29,-224
\t.cfi_offset 30,-216
\tmov x29,sp
\tstp x0,x1,[sp,#16]
\tstp x2,x3,[sp,#32]
\tstp x4,x5,[sp,#48]
\tstp x6,x7,[sp,#64]
\tstr x8,[sp,#80]
\tstp q0,q1,[sp,#96]
\tstp q2,q3,[sp,#128]
\tstp q4,q5,[sp,#160]
\tstp q6,q7,[sp,#192]
\tmov x0,x9
\tbl tallow_cuda_resolve
\tmov x17,x0
\tldp x0,x1,[sp,#16]
\tldp x2,x3,[sp,#32]
\tldp x4,x5,[sp,#48]
\tldp x6,x7,[sp,#64]
\tldr x8,[sp,#80]
\tldp q0,q1,[sp,#96]
\tldp q2,q3,[sp,#128]
\tldp q4,q5,[sp,#160]
\tldp q6,q7,[sp,#192]
\tldp x29,x30,[sp],#224
\t.cfi_def_cfa_offset 0
\t.cfi_restore 29
\t.cfi_restore 30
\tbr x17
";
