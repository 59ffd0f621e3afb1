/* The launcher's executable file, byte for byte, as data of torte. */
    .section .rodata
    .globl torte_launcher_begin, torte_launcher_end
    .balign 16
torte_launcher_begin:
    .incbin TORTE_LAUNCHER_FILE
torte_launcher_end:
    .section .note.GNU-stack, "", @progbits
